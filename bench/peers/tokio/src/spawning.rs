//! W1, W2, W2b, W3: what a task costs.
use crate::{expect_sum, report, Options, RollCall};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

pub async fn spawn_join(options: Options) {
    let count = options.scaled(1_000_000);
    let start = Instant::now();
    let mut sum = 0;
    for _ in 0..count {
        sum += tokio::spawn(async { 1u64 }).await.unwrap();
    }
    report("W1", "time", start.elapsed().as_nanos() as f64 / count as f64, "ns");
    expect_sum("W1", sum, count);
}

pub async fn fan_out(options: Options) {
    let count = options.scaled(1_000_000);
    let start = Instant::now();
    let mut children = Vec::with_capacity(count as usize);
    for _ in 0..count {
        children.push(tokio::spawn(async { 1u64 }));
    }
    let mut sum = 0;
    for child in children {
        sum += child.await.unwrap();
    }
    report("W2", "time", start.elapsed().as_nanos() as f64 / count as f64, "ns");
    expect_sum("W2", sum, count);
}

fn resident_bytes() -> i64 {
    let text = std::fs::read_to_string("/proc/self/status").expect("/proc/self/status cannot be read");
    let line = text.lines().find(|line| line.starts_with("VmRSS:")).expect("/proc/self/status has no VmRSS");
    let kib: i64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib * 1024
}

struct Gate {
    open: Notify,
    roll_call: RollCall,
}

pub async fn suspended(options: Options) {
    let count = options.scaled(1_000_000);
    let gate = Arc::new(Gate { open: Notify::new(), roll_call: RollCall::new(count) });
    let mut children: Vec<Option<JoinHandle<u64>>> = Vec::new();
    children.resize_with(count as usize, || None); // its pages are there before the memory is measured
    let before = resident_bytes();
    for (i, child) in children.iter_mut().enumerate() {
        let gate = gate.clone();
        *child = Some(tokio::spawn(async move {
            let opened = gate.open.notified();
            gate.roll_call.here(i as u64);
            opened.await;
            1u64
        }));
    }
    gate.roll_call.all().await;
    let after = resident_bytes();
    report("W2b", "memory", (after - before) as f64 / count as f64, "bytes");

    let start = Instant::now();
    gate.open.notify_waiters();
    let mut sum = 0;
    for child in children {
        sum += child.unwrap().await.unwrap();
    }
    report("W2b", "release", start.elapsed().as_nanos() as f64 / count as f64, "ns");
    expect_sum("W2b", sum, count);
}

/// A future that contains itself must be boxed.
fn fib(n: u32) -> Pin<Box<dyn Future<Output = u64> + Send>> {
    Box::pin(async move {
        if n < 2 {
            return n as u64;
        }
        let forked = tokio::spawn(fib(n - 1));
        let called = fib(n - 2).await;
        called + forked.await.unwrap()
    })
}

fn fibonacci(n: u32) -> u64 {
    (0..n).fold((0, 1), |(now, next), _| (next, now + next)).0
}

pub async fn fib_of_32(options: Options) {
    fib_tree(options, "W3-fib", 32).await
}
pub async fn fib_of_27(options: Options) {
    fib_tree(options, "W3-spawn-fib", 27).await
}

async fn fib_tree(options: Options, workload: &str, full: u32) {
    let n = if options.small { 18 } else { full };
    let start = Instant::now();
    let sum = fib(n).await;
    report(workload, "time", start.elapsed().as_secs_f64() * 1e3, "ms");
    expect_sum(workload, sum, fibonacci(n));
}

fn skynet(first: u64, leaves: u64) -> Pin<Box<dyn Future<Output = u64> + Send>> {
    Box::pin(async move {
        if leaves == 1 {
            return first;
        }
        let each = leaves / 10;
        let mut children: [Option<JoinHandle<u64>>; 10] = Default::default();
        for (i, child) in children.iter_mut().enumerate() {
            *child = Some(tokio::spawn(skynet(first + i as u64 * each, each)));
        }
        let mut sum = 0;
        for child in children {
            sum += child.unwrap().await.unwrap();
        }
        sum
    })
}

pub async fn skynet_of_a_million(options: Options) {
    skynet_tree("W3-skynet", options.scaled(1_000_000)).await
}
pub async fn skynet_of_100k(options: Options) {
    skynet_tree("W3-spawn-skynet", options.scaled(100_000)).await
}

async fn skynet_tree(workload: &str, leaves: u64) {
    let start = Instant::now();
    let sum = skynet(0, leaves).await;
    report(workload, "time", start.elapsed().as_secs_f64() * 1e3, "ms");
    expect_sum(workload, sum, leaves * (leaves - 1) / 2);
}
