// The workloads of bench/README.md in Boost.Asio. Usage: workloads WORKLOAD [--workers N] [--small]
#include "tasks.hpp"

int main(int argc, char** argv) {
  return peer::run(argc, argv,
                   {{"W1", spawn_join},
                    {"W2", fan_out},
                    {"W2b", suspended},
                    {"W3-spawn-fib", fib_of_27},
                    {"W3-spawn-skynet", skynet_of_100k},
                    {"W4", ping_pong},
                    {"W5", four_to_one},
                    {"W6", yields},
                    {"W7-cancel", create_and_cancel},
                    {"W7-bulk", bulk},
                    {"W7-sleep", sleepers},
                    {"W8", mutex},
                    {"W9", storm},
                    {"W10", echo}});
}
