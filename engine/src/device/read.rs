use super::out_of_memory;
use burn::tensor::{ExecutionError, Tensor, TensorData, Transaction};

/// Reason why tensors cannot be read from a device.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReadError {
    /// An allocation failed; everything computed since is void, even if the device reports no error.
    OutOfMemory,
    /// The device failed; the reason, in one line.
    Device(String),
}

impl From<ExecutionError> for ReadError {
    fn from(error: ExecutionError) -> Self {
        match out_of_memory() {
            true => Self::OutOfMemory,
            false => Self::Device(format!("{error:?}").split_whitespace().collect::<Vec<_>>().join(" ")),
        }
    }
}

/// Reads tensors in one round trip.
///
/// # Errors
/// The device or an allocation failed.
pub(crate) async fn read(tensors: Vec<Tensor<1>>) -> Result<Vec<Vec<f32>>, ReadError> {
    let transaction = tensors.into_iter().fold(Transaction::default(), Transaction::register);
    let values = transaction.execute_async().await;
    if out_of_memory() {
        return Err(ReadError::OutOfMemory);
    }
    Ok(values?.into_iter().map(floats).collect())
}

/// Values of a float tensor.
pub(crate) fn floats(data: TensorData) -> Vec<f32> {
    data.try_to_vec::<f32>().expect("a float tensor")
}
