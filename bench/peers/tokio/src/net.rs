//! W10: 64 connections, 64-byte messages, a closed loop; client and server in one process.
use crate::{expect_sum, report, Options};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const CONNECTIONS: u64 = 64;
const BYTES: usize = 64;

async fn serve(mut peer: TcpStream) -> u64 {
    let mut message = [0u8; BYTES];
    let mut served = 0;
    while peer.read_exact(&mut message).await.is_ok() {
        peer.write_all(&message).await.unwrap();
        served += 1;
    }
    served
}

async fn ask(address: std::net::SocketAddr, connection: u64, until: Instant) -> u64 {
    let mut server = TcpStream::connect(address).await.unwrap();
    server.set_nodelay(true).unwrap();
    let mut message = [connection as u8; BYTES];
    let mut answer = [0u8; BYTES];
    let mut asked = 0u64;
    while Instant::now() < until {
        message[..8].copy_from_slice(&asked.to_le_bytes());
        server.write_all(&message).await.unwrap();
        server.read_exact(&mut answer).await.unwrap();
        assert!(answer == message, "W10: the answer is not what was sent");
        asked += 1;
    }
    asked
}

pub async fn echo(options: Options) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let mut peers = Vec::new();
        for _ in 0..CONNECTIONS {
            let (peer, _) = listener.accept().await.unwrap();
            peer.set_nodelay(true).unwrap();
            peers.push(tokio::spawn(serve(peer)));
        }
        let mut served = 0;
        for peer in peers {
            served += peer.await.unwrap();
        }
        served
    });
    let start = Instant::now();
    let until = start + Duration::from_millis(if options.small { 200 } else { 5000 });
    let clients: Vec<_> = (0..CONNECTIONS).map(|i| tokio::spawn(ask(address, i, until))).collect();
    let mut asked = 0;
    for client in clients {
        asked += client.await.unwrap();
    }
    report("W10", "rate", asked as f64 / start.elapsed().as_secs_f64() * 1e-3, "kreq/s");
    expect_sum("W10", server.await.unwrap(), asked);
}
