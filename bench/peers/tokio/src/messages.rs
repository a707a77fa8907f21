//! W4, W5: messages between tasks.
use crate::{expect_sum, report, Options};
use std::time::Instant;
use tokio::sync::mpsc;

pub async fn ping_pong(options: Options) {
    let trips = options.scaled(1_000_000);
    let (to_pong, mut questions) = mpsc::channel::<u64>(1);
    let (to_ping, mut answers) = mpsc::channel::<u64>(1);
    let start = Instant::now();
    let second = tokio::spawn(async move {
        while let Some(question) = questions.recv().await {
            to_ping.send(question + 1).await.unwrap();
        }
    });
    let first = tokio::spawn(async move {
        let mut sum = 0;
        for i in 0..trips {
            to_pong.send(i).await.unwrap();
            sum += answers.recv().await.unwrap();
        }
        sum
    });
    let sum = first.await.unwrap();
    second.await.unwrap();
    report("W4", "time", start.elapsed().as_nanos() as f64 / trips as f64, "ns");
    expect_sum("W4", sum, trips * (trips + 1) / 2);
}

pub async fn four_to_one(options: Options) {
    const PRODUCERS: u64 = 4;
    let each = options.scaled(1_000_000);
    let total = PRODUCERS * each;
    let (to, mut from) = mpsc::channel::<u64>(1024);
    let start = Instant::now();
    let consumer = tokio::spawn(async move {
        let mut sum = 0;
        while let Some(message) = from.recv().await {
            sum += message;
        }
        sum
    });
    for producer in 0..PRODUCERS {
        let to = to.clone();
        tokio::spawn(async move {
            for i in producer * each..(producer + 1) * each {
                to.send(i).await.unwrap();
            }
        });
    }
    drop(to);
    let sum = consumer.await.unwrap();
    report("W5", "time", start.elapsed().as_nanos() as f64 / total as f64, "ns");
    expect_sum("W5", sum, total * (total - 1) / 2);
}
