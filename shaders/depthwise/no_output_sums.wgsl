// No sums of what a depthwise convolution writes.
fn begin_sum() {}

fn add_to_sum(value: V) {}

fn end_sum(branch: u32, plane: u32, column: u32) {}
