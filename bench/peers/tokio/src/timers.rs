//! W7, W9: timers, and sleeping tasks that are cancelled.
use crate::{expect_most, expect_sum, report, Options, RollCall};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use tokio::time::{sleep, Sleep};

/// 1 to 1000 ms, in no order.
fn spread(i: u64) -> Duration {
    Duration::from_millis(i * 7919 % 1000 + 1)
}

/// A Sleep is registered when it is polled first. 1 when it waits then.
struct PollOnce<'a>(Pin<&'a mut Sleep>);

impl Future for PollOnce<'_> {
    type Output = u64;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<u64> {
        Poll::Ready(self.0.as_mut().poll(cx).is_pending() as u64)
    }
}

pub async fn create_and_cancel(options: Options) {
    let count = options.scaled(1_000_000);
    let start = Instant::now();
    let mut sum = 0;
    for i in 0..count {
        let timer = sleep(spread(i));
        tokio::pin!(timer);
        sum += PollOnce(timer.as_mut()).await;
    }
    report("W7-cancel", "time", start.elapsed().as_nanos() as f64 / count as f64, "ns");
    expect_most("W7-cancel", sum, count);
}

pub async fn bulk(options: Options) {
    let count = options.scaled(1_000_000);
    let start = Instant::now();
    let mut timers = Vec::with_capacity(count as usize);
    let mut sum = 0;
    for i in 0..count {
        let mut timer = Box::pin(sleep(Duration::from_secs(10) + spread(i)));
        sum += PollOnce(timer.as_mut()).await;
        timers.push(timer);
    }
    drop(timers);
    report("W7-bulk", "time", start.elapsed().as_nanos() as f64 / count as f64, "ns");
    expect_sum("W7-bulk", sum, count);
}

pub async fn sleepers(options: Options) {
    let count = options.scaled(100_000);
    let start = Instant::now();
    let mut children = Vec::with_capacity(count as usize);
    for _ in 0..count {
        children.push(tokio::spawn(async {
            sleep(Duration::from_millis(10)).await;
            1u64
        }));
    }
    let mut sum = 0;
    for child in children {
        sum += child.await.unwrap();
    }
    report("W7-sleep", "time", start.elapsed().as_secs_f64() * 1e3, "ms");
    expect_sum("W7-sleep", sum, count);
}

pub async fn storm(options: Options) {
    let count = options.scaled(100_000);
    let roll_call = Arc::new(RollCall::new(count));
    let children: Vec<JoinHandle<()>> = (0..count)
        .map(|i| {
            let roll_call = roll_call.clone();
            tokio::spawn(async move {
                roll_call.here(i);
                sleep(Duration::from_secs(3600)).await;
            })
        })
        .collect();
    roll_call.all().await;
    let start = Instant::now();
    for child in &children {
        child.abort();
    }
    let mut cancelled = 0;
    for child in children {
        cancelled += child.await.unwrap_err().is_cancelled() as u64;
    }
    report("W9", "time", start.elapsed().as_nanos() as f64 / count as f64, "ns");
    expect_sum("W9", cancelled, count);
}
