// No sums of the output of a depthwise convolution.
fn begin_sum() {}

fn add_to_sum(value: V) {}

fn end_sum(branch: u32, plane: u32, column: u32) {}
