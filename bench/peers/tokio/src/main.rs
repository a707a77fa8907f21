//! The workloads of bench/README.md in Tokio. Usage: workloads WORKLOAD [--workers N] [--small]
//! Prints "workload metric value unit"; a sum that is wrong ends it with status 1.
mod messages;
mod net;
mod sharing;
mod spawning;
mod timers;

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};

#[derive(Clone, Copy)]
pub struct Options {
    pub workers: usize,
    pub small: bool,
}

impl Options {
    /// What is to be done a `full` number of times; a hundredth of it to try the program out.
    pub fn scaled(&self, full: u64) -> u64 {
        if self.small {
            full / 100
        } else {
            full
        }
    }
}

pub fn report(workload: &str, metric: &str, value: f64, unit: &str) {
    println!("{workload} {metric} {value:.3} {unit}");
}

pub fn expect_sum(workload: &str, sum: u64, expected: u64) {
    if sum != expected {
        eprintln!("{workload}: the sum is {sum} and should be {expected}: a task was lost or run twice");
        std::process::exit(1);
    }
}

/// All but a few: the first may come too late where the machine is slow for a moment.
pub fn expect_most(workload: &str, cancelled: u64, of: u64) {
    if cancelled > of || cancelled + of / 1000 + 1 < of {
        eprintln!("{workload}: {cancelled} of {of} timers were cancelled, the others fired before: this measures something else");
        std::process::exit(1);
    }
}

/// Who is there: each task marks its own byte, so that none waits for another's cache line for long.
pub struct RollCall(Box<[AtomicBool]>);

impl RollCall {
    pub fn new(tasks: u64) -> Self {
        RollCall((0..tasks).map(|_| AtomicBool::new(false)).collect())
    }
    pub fn here(&self, task: u64) {
        self.0[task as usize].store(true, Ordering::Release);
    }
    pub async fn all(&self) {
        for mark in self.0.iter() {
            while !mark.load(Ordering::Acquire) {
                tokio::task::yield_now().await;
            }
        }
    }
}

/// Runs a workload as a task of the runtime: what is spawned by a thread outside goes a longer way.
fn on_workers<F>(options: Options, body: F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(options.workers)
        .enable_all()
        .build()
        .expect("the runtime cannot be built");
    runtime.block_on(async { tokio::spawn(body).await.expect("the workload panicked") });
}

fn usage(problem: &str) -> ! {
    eprintln!("{problem}\nusage: workloads WORKLOAD [--workers N] [--small]");
    std::process::exit(2);
}

fn main() {
    let mut options = Options { workers: std::thread::available_parallelism().map_or(1, |n| n.get()), small: false };
    let mut workload = None;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--small" => options.small = true,
            "--workers" => match arguments.next().and_then(|text| text.parse().ok()) {
                Some(count) if count > 0 => options.workers = count,
                _ => usage("--workers needs a number above 0"),
            },
            _ => workload = Some(argument),
        }
    }
    let workload = workload.unwrap_or_else(|| usage("no workload was named"));
    match workload.as_str() {
        "W1" => on_workers(options, spawning::spawn_join(options)),
        "W2" => on_workers(options, spawning::fan_out(options)),
        "W2b" => on_workers(options, spawning::suspended(options)),
        "W3-fib" => on_workers(options, spawning::fib_of_32(options)),
        "W3-skynet" => on_workers(options, spawning::skynet_of_a_million(options)),
        "W3-spawn-fib" => on_workers(options, spawning::fib_of_27(options)),
        "W3-spawn-skynet" => on_workers(options, spawning::skynet_of_100k(options)),
        "W4" => on_workers(options, messages::ping_pong(options)),
        "W5" => on_workers(options, messages::four_to_one(options)),
        "W6" => on_workers(options, sharing::yields(options)),
        "W7-cancel" => on_workers(options, timers::create_and_cancel(options)),
        "W7-bulk" => on_workers(options, timers::bulk(options)),
        "W7-sleep" => on_workers(options, timers::sleepers(options)),
        "W8" => on_workers(options, sharing::mutex(options)),
        "W9" => on_workers(options, timers::storm(options)),
        "W10" => on_workers(options, net::echo(options)),
        other => usage(&format!("no such workload: {other}")),
    }
}
