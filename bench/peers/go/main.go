// The workloads of bench/README.md in Go. Usage: workloads WORKLOAD [--workers N] [--small]
// Prints "workload metric value unit"; a sum that is wrong ends it with status 1.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync/atomic"
)

type options struct {
	workers int
	small   bool
}

// What is to be done a `full` number of times; a hundredth of it to try the program out.
func (o options) scaled(full int) int {
	if o.small {
		return full / 100
	}
	return full
}

func report(workload, metric string, value float64, unit string) {
	fmt.Printf("%s %s %.3f %s\n", workload, metric, value, unit)
}

func expectSum(workload string, sum, expected uint64) {
	if sum != expected {
		fmt.Fprintf(os.Stderr, "%s: the sum is %d and should be %d: a task was lost or run twice\n", workload, sum, expected)
		os.Exit(1)
	}
}

// All but a few: the first may come too late where the machine is slow for a moment.
func expectMost(workload string, cancelled, of uint64) {
	if cancelled > of || cancelled+of/1000+1 < of {
		fmt.Fprintf(os.Stderr, "%s: %d of %d timers were cancelled, the others fired before: this measures something else\n", workload, cancelled, of)
		os.Exit(1)
	}
}

// Who is there: each goroutine marks its own word, so that none waits for another's cache line for long.
type rollCall []uint32

func (r rollCall) here(task int) { atomic.StoreUint32(&r[task], 1) }

func (r rollCall) all() {
	for i := range r {
		for atomic.LoadUint32(&r[i]) == 0 {
			runtime.Gosched()
		}
	}
}

var workloads = map[string]func(options){
	"W1":              spawnJoin,
	"W2":              fanOut,
	"W2b":             suspended,
	"W3-fib":          fibOf32,
	"W3-skynet":       skynetOfAMillion,
	"W3-spawn-fib":    fibOf27,
	"W3-spawn-skynet": skynetOf100k,
	"W4":              pingPong,
	"W5":              fourToOne,
	"W6":              yields,
	"W7-cancel":       createAndCancel,
	"W7-bulk":         bulk,
	"W7-sleep":        sleepers,
	"W8":              mutex,
	"W9":              storm,
	"W10":             echo,
}

func usage(problem string) {
	fmt.Fprintln(os.Stderr, problem+"\nusage: workloads WORKLOAD [--workers N] [--small]")
	os.Exit(2)
}

func main() {
	o := options{workers: runtime.NumCPU()}
	var run func(options)
	arguments := os.Args[1:]
	for i := 0; i < len(arguments); i++ {
		switch argument := arguments[i]; argument {
		case "--small":
			o.small = true
		case "--workers":
			i++
			count := 0
			if i < len(arguments) {
				count, _ = strconv.Atoi(arguments[i])
			}
			if count < 1 {
				usage("--workers needs a number above 0")
			}
			o.workers = count
		default:
			if run = workloads[argument]; run == nil {
				usage("no such workload: " + argument)
			}
		}
	}
	if run == nil {
		usage("no workload was named")
	}
	runtime.GOMAXPROCS(o.workers)
	run(o)
}
