/* A fork_join of one call and two forks (detail/kernel/fork.hpp, 4 to 8; semantics O2, C4, R6).
 * A fork is taken once: by its parent, which runs it, or by a thief, which makes a task of it (of one that its parent takes after a failure, the
 * parent itself): under the lock of the parent's extra it is linked, and looks for a request on the parent and for a failure.
 * Who requests writes the reason and gathers the linked forks under that lock, then marks the parent's word, then asks the forks. So a fork may
 * have been asked, and have stopped, before the parent's word says anything.
 * A branch that fails, unless it was asked to and the parent's word says so, sets `failed`; the first to do so asks the linked forks, and
 * is marked. It unlinks before, leaves the join after, by `pending`; the last to leave wakes the parent, if that has added how many it handed over.
 * The parent keeps the failures of what it runs, and collects the rest when all have left: a fork that stopped, and has not failed first, does
 * not count in a join that has failed.
 * Checked: the parent goes on only when every branch has ended Ok; a fork that waits for a request gets one (else: invalid end state);
 * nobody touches the join once the parent has gone on or ended.
 * What is under a lock is one step: nobody else reads or writes it without.
 *   spin -a fork_join.pml && cc -O2 -DSAFETY -o pan pan.c && ./pan -m200000
 */
#define N 2
mtype = { Ok, Err, Cancelled };

bool outer, call_fails;                /* what comes for sure: a request on the parent, a failure of the call */
bool extra_there, reason, requested, failed, gone, woken;
bool taken[N], linked[N], asked[N], failed_first[N], handed[N];
mtype ended[N];
short pending;

inline touch()  { assert(!gone) }
inline gather() { a = linked[0]; b = linked[1] }
inline ask(from_a, from_b) {
  if :: from_a -> asked[0] = true; from_a = false :: else -> skip fi;
  if :: from_b -> asked[1] = true; from_b = false :: else -> skip fi
}

inline stop(first) {                   /* Kernel::stop_forks */
  atomic { first = !failed; failed = true };
  if
  :: first && extra_there -> d_step { gather() }; ask(a, b)
  :: else -> skip
  fi
}

proctype fork_task(byte i) {           /* Kernel::begin_fork, the branch, Kernel::end_fork */
  bool a, b, told, first;
  extra_there = true;
  atomic { touch(); linked[i] = true; told = reason || failed };
  if :: told -> asked[i] = true; told = false :: else -> skip fi;
  if                                   /* one that waits does so only when somebody is to ask it */
  :: ended[i] = Ok
  :: ended[i] = Err
  :: asked[i] -> ended[i] = Cancelled
  :: (outer || call_fails) -> asked[i] -> ended[i] = Cancelled
  fi;
  atomic { touch(); linked[i] = false };
  if
  :: ended[i] == Ok || (ended[i] == Cancelled && requested) -> skip
  :: else -> stop(first); failed_first[i] = first
  fi;
  atomic { touch(); pending--; if :: pending == 0 -> woken = true :: else -> skip fi }
}

proctype thief(byte i) {
  bool mine;
  atomic { mine = !taken[i] && !gone; taken[i] = taken[i] || mine };
  if :: mine -> run fork_task(i) :: else -> skip fi
}

proctype requester() {                 /* Kernel::cancel_task */
  bool a, b;
  extra_there = true;
  d_step { reason = true; gather() };
  requested = true;
  ask(a, b)
}

inline run_here() {                    /* fails as the plan says, or because it sees the parent's request */
  if
  :: fails || may_fail -> worst = true; stop(first); kind = Err
  :: !fails -> kind = Ok
  :: requested -> worst = true; kind = Cancelled
  fi;
  first = false
}

proctype parent() {
  bool a, b, first, mine, worst, fails, may_fail;
  mtype kind = Ok;
  byte i = N;
  fails = call_fails;
  run_here();
  fails = false; may_fail = true;
  do
  :: i == 0 -> break
  :: else -> i--;                      /* the newest first */
     atomic { mine = !taken[i]; taken[i] = true };
     if
     :: mine && !failed -> run_here(); ended[i] = kind
     :: mine && failed -> handed[i] = true; run fork_task(i)       /* it is to be asked before it begins */
     :: !mine -> handed[i] = true
     fi;
     mine = false; kind = Ok
  od;
  atomic {
    pending = pending + handed[0] + handed[1];
    if :: pending == 0 -> woken = true :: else -> skip fi
  };
  woken;
  d_step {
    for (i : 0 .. N - 1) {
      if
      :: handed[i] && ended[i] != Ok ->
         if :: !failed_first[i] && ended[i] == Cancelled && failed -> skip :: else -> worst = true fi
      :: else -> skip
      fi
    };
    gone = true
  };
  assert(worst || (ended[0] == Ok && ended[1] == Ok))
}

init {
  atomic {
    if :: outer = true; run requester() :: outer = false fi;
    if :: call_fails = true :: call_fails = false fi;
    run parent(); run thief(0); run thief(1)
  }
}
