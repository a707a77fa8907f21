package main

// W10: 64 connections, 64-byte messages, a closed loop; client and server in one process.

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const connections, messageBytes = 64, 64

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "W10:", err)
		os.Exit(1)
	}
}

func serve(peer net.Conn, served *uint64) {
	message := make([]byte, messageBytes)
	count := uint64(0)
	for {
		if _, err := io.ReadFull(peer, message); err != nil {
			break
		}
		_, err := peer.Write(message)
		must(err)
		count++
	}
	peer.Close()
	atomic.AddUint64(served, count)
}

func ask(address string, connection int, until time.Time, asked *uint64) {
	server, err := net.Dial("tcp", address)
	must(err)
	message, answer := bytes.Repeat([]byte{byte(connection)}, messageBytes), make([]byte, messageBytes)
	count := uint64(0)
	for time.Now().Before(until) {
		binary.LittleEndian.PutUint64(message, count)
		_, err = server.Write(message)
		must(err)
		_, err = io.ReadFull(server, answer)
		must(err)
		if !bytes.Equal(answer, message) {
			fmt.Fprintln(os.Stderr, "W10: the answer is not what was sent")
			os.Exit(1)
		}
		count++
	}
	server.Close()
	atomic.AddUint64(asked, count)
}

// Connections of package net have TCP_NODELAY set.
func echo(o options) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	var asked, served uint64
	var servers, clients sync.WaitGroup
	servers.Add(connections)
	go func() {
		for i := 0; i < connections; i++ {
			peer, err := listener.Accept()
			must(err)
			go func() {
				serve(peer, &served)
				servers.Done()
			}()
		}
	}()
	duration := 5 * time.Second
	if o.small {
		duration = 200 * time.Millisecond
	}
	start := time.Now()
	clients.Add(connections)
	for i := 0; i < connections; i++ {
		go func(i int) {
			ask(listener.Addr().String(), i, start.Add(duration), &asked)
			clients.Done()
		}(i)
	}
	clients.Wait()
	report("W10", "rate", float64(asked)/time.Since(start).Seconds()*1e-3, "kreq/s")
	servers.Wait()
	expectSum("W10", served, asked)
}
