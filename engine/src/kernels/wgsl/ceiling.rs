//! Limits of the device, measured by two shaders that do nothing else.

use crate::kernels::wgsl::launch::Launch;
use crate::profile::Ceilings;
use burn::{
    backend::wgpu::CubeBackend,
    tensor::{Device, ExecutionError, Tensor},
};
use cubecl::prelude::Client;
use web_time::Instant;

/// Threads of the multiply-adds: enough for any device.
const THREADS: usize = 1 << 18;
/// Multiply-adds of a thread in a round, as the shader has them.
const MULTIPLY_ADDS: usize = 8 * 12;
/// Bytes copied at a time, at most.
const BYTES: u64 = 64 << 20;
/// Least seconds of a timing, so that launching and waiting do not count.
const SECONDS: f64 = 0.05;
/// Timings, whose median counts.
const TIMINGS: usize = 5;

/// Measures both on a wgpu device.
///
/// # Errors
/// The device failed.
///
/// # Panics
/// On a device without compute shaders.
pub async fn ceilings(device: &Device) -> Result<Ceilings, ExecutionError> {
    let tensor =
        Tensor::<1>::empty([1], device).try_into_primitive::<CubeBackend>().expect("a tensor on a wgpu device");
    let client = tensor.client;
    let result = client.empty(4 * THREADS);
    let rounds_a_second = rate(&client, |rounds| {
        let launch = Launch::new(4, &["ceiling/multiply_add"]).set(&[("ROUNDS", rounds)]);
        launch.run(&client, THREADS, [1, 1], &[&result], THREADS);
    })
    .await?;
    drop(result);
    let bytes = BYTES.min(client.properties().memory.max_page_size) as usize / 16 * 16;
    let vectors = bytes / 16;
    let rows = 64;
    let [mut from, mut to] = [(); 2].map(|()| client.empty(bytes));
    let copies_a_second = rate(&client, |copies| {
        for _ in 0..copies {
            let launch = Launch::new(4, &["ceiling/copy"]).set(&[("COUNT", vectors)]);
            launch.run(&client, vectors.div_ceil(rows), [rows, 1], &[&from, &to], 2 * bytes / 4);
            (from, to) = (to.clone(), from.clone());
        }
    })
    .await?;
    Ok(Ceilings {
        multiply_add_gflops: rounds_a_second * (2 * MULTIPLY_ADDS * THREADS) as f64 / 1e9,
        copy_gb_per_s: copies_a_second * (2 * bytes) as f64 / 1e9,
    })
}

/// Times a second that the device does the work of which `launch` requests a given number.
async fn rate(client: &Client, mut launch: impl FnMut(usize)) -> Result<f64, ExecutionError> {
    let mut timed = async |times: usize| -> Result<f64, ExecutionError> {
        let began = Instant::now();
        launch(times);
        let done = client.sync().await;
        done.map_err(|error| ExecutionError::WithContext { reason: format!("{error}") })?;
        Ok(began.elapsed().as_secs_f64())
    };
    // The first compiles the shader.
    timed(1).await?;
    let mut times = 1;
    while timed(times).await? < SECONDS && times < 1 << 20 {
        times *= 2;
    }
    let mut seconds = Vec::with_capacity(TIMINGS);
    for _ in 0..TIMINGS {
        seconds.push(timed(times).await?);
    }
    seconds.sort_by(f64::total_cmp);
    Ok(times as f64 / seconds[TIMINGS / 2])
}
