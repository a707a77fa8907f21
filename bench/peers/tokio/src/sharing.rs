//! W6, W8: tasks that give way, and tasks that want one lock.
use crate::{expect_sum, report, Options};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::Mutex;

pub async fn yields(options: Options) {
    let times = options.scaled(1_000_000);
    let tasks = 2 * options.workers as u64;
    let start = Instant::now();
    let children: Vec<_> = (0..tasks)
        .map(|_| {
            tokio::spawn(async move {
                let mut given = 0;
                while given < times {
                    tokio::task::yield_now().await;
                    given += 1;
                }
                given
            })
        })
        .collect();
    let mut sum = 0;
    for child in children {
        sum += child.await.unwrap();
    }
    report("W6", "time", start.elapsed().as_nanos() as f64 / (tasks * times) as f64, "ns");
    expect_sum("W6", sum, tasks * times);
}

pub async fn mutex(options: Options) {
    const TASKS: u64 = 8;
    let times = options.scaled(500_000);
    let counter = Arc::new(Mutex::new(0u64));
    let start = Instant::now();
    let children: Vec<_> = (0..TASKS)
        .map(|_| {
            let counter = counter.clone();
            tokio::spawn(async move {
                for _ in 0..times {
                    *counter.lock().await += 1;
                }
            })
        })
        .collect();
    for child in children {
        child.await.unwrap();
    }
    report("W8", "time", start.elapsed().as_nanos() as f64 / (TASKS * times) as f64, "ns");
    let sum = *counter.lock().await;
    expect_sum("W8", sum, TASKS * times);
}
