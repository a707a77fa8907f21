#pragma once
// What the command's exit status says; the same words are in its help and in docs/lab.md.

namespace quiesce_command {

enum class ExitStatus : int {
  well = 0,     // view: written; replay: the run ended well; hunt: no failure in the time
  failure = 1,  // replay: the failure was reproduced; hunt: one was found
  usage = 2,    // of the command line, and files that cannot be read or written
  impossible =
      3,  // the program does not run, crashes or has no exploration; the token is of none of its bodies or cannot be followed
  interrupted = 130
};

}  // namespace quiesce_command
