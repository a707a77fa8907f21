/* The lock of Mutex: an atomic word and a list under a spin lock (include/quiesce/detail/sync/raw_mutex.hpp; the numbers are its).
 * word = held, waiters, called, holder: one atomic word. It is changed by compare-exchange from free to held and back, also while somebody
 * is called; all else is done by who has the spin lock. A compare-exchange that is repeated until it succeeds is one transition
 * here; a load and the store or the single try that trusts it are two. A wait is pending from when it is armed until one claim is won:
 * by a grant (a call, a hand-over) or by a request, as in claim.pml, of which one transition is enough here.
 * Tasks wait to be called, but for the last, which is only handed the lock. A called task may go instead of answering, and one that has
 * answered in vain may be refused its next wait; then it declines.
 * Checked: one task at a time has the lock, and the word names it; whoever has locked by the compare-exchange while somebody waited is
 * counted, and never more than PASSES between two that are served from the list; one is called at a time; every word is valid;
 * nobody waits for ever, whoever is cancelled (an end state in which a task waits is invalid); at the end the lock is free, without
 * `waiters` or `called`, and the list is empty.
 *   spin -a raw_mutex.pml && cc -O2 -DSAFETY -o pan pan.c && ./pan -m200000
 */
#define TASKS 3
#define ROUNDS 2
#define REQUESTS 1
#define PASSES 1
#define HANDED_ONLY(t) (t == TASKS)

bool held = false, waiters = false, called = false; byte holder = 0; /* the word; a holder is a task's number, 1 and up */
byte passed = 0;                                        /* the holder's */
byte called_task = 0;                                   /* under the spin lock */
byte spin = 0;
chan list = [TASKS] of { byte };                        /* under the spin lock */
bool to_be_called[TASKS + 1];                           /* of each task's node, while it is in the list */
bool pending[TASKS + 1], granted[TASKS + 1];            /* of each task's wait */
byte inside = 0;                                        /* ghost: tasks that have the lock */
byte overtaken = 0;                                     /* ghost: locks in passing since one from the list was served */
byte out = 0;                                           /* ghost: tasks that were called and have not answered */
#define LOCK   atomic { spin == 0 -> spin = 1 }
#define UNLOCK spin = 0
#define VALID  assert((!called || waiters) && (!waiters || held || called) && (held || holder == 0))

/* Ends the wait of the first in line, if nothing else has. */
inline claim() {
  atomic {
    if :: pending[next] -> pending[next] = false; granted[next] = true; won = true :: else -> won = false fi
  }
}

/* 4: by who owns the lock, under the spin lock */
inline hand_to_front() {
  atomic { held = true; waiters = true; called = false; holder = next; VALID };
  passed = 0; overtaken = 0;
  claim();
  if
  :: won -> if :: empty(list) -> waiters = false :: nempty(list) -> skip fi
  :: else -> skip
  fi
}

/* 3: likewise */
inline call_front() {
  called_task = next;
  claim();
  if
  :: won -> out++; assert(out == 1); atomic { held = false; waiters = true; called = true; holder = 0; VALID }
  :: else -> skip
  fi
}

inline release() {
  passed = 0; overtaken = 0;
  atomic { held = false; waiters = false; called = false; holder = 0 }
}

inline hand_over() {
  won = false;
  do
  :: won -> break
  :: !won && nempty(list) -> list?next; hand_to_front()
  :: !won && empty(list) -> release(); break
  od
}

inline pass_on() {
  won = false;
  if
  :: called -> atomic { held = true; waiters = true; holder = called_task; VALID }; passed = 0; overtaken = 0
  :: else ->
     do
     :: won -> break
     :: !won && nempty(list) ->
        list?next;
        if
        :: to_be_called[next] && passed < PASSES -> call_front()
        :: else -> hand_to_front()
        fi
     :: !won && empty(list) -> release(); break
     od
  fi
}

/* 2 */
inline enlist() {
  atomic { LOCK; list!me; to_be_called[me] = !HANDED_ONLY(me) };
  atomic {
    if
    :: !held && called -> mine = false
    :: !held && !called -> held = true; waiters = true; mine = true; VALID
    :: held -> waiters = true; mine = false; VALID
    fi
  };
  if :: mine -> hand_over() :: else -> skip fi;
  UNLOCK
}

/* 5: it waits once more */
inline come_again() {
  atomic { LOCK; in_front() ; to_be_called[me] = false };
  atomic {
    assert(called);
    out--;
    if
    :: held && holder != me -> called = false; mine = false; VALID
    :: else -> held = true; called = false; holder = 0; mine = true; VALID
    fi
  };
  if :: mine -> hand_over() :: else -> skip fi;
  UNLOCK
}

/* The list has no push to the front: all others go round once. */
inline in_front() {
  others = len(list);
  list!me;
  do
  :: others > 0 -> list?next; list!next; others--
  :: else -> break
  od
}

/* 5 */
inline answer() {
  if
  :: atomic { !called && holder == me -> has = true }   /* handed over, after it came again */
  :: atomic { held && holder != me -> has = false }     /* without the spin lock; also with it, below */
  :: else ->
     LOCK;
     atomic {
       if
       :: !held || holder == me ->
          assert(called); held = true; called = false; holder = me; waiters = nempty(list); has = true;
          out--; overtaken = 0; VALID
       :: else -> has = false
       fi
     };
     if :: has -> passed = 0 :: else -> skip fi;
     UNLOCK
  fi
}

/* 6 */
inline decline() {
  LOCK;
  atomic {
    if
    :: !called -> mine = true                           /* handed over */
    :: called && held && holder != me -> called = false; out--; if :: empty(list) -> waiters = false :: nempty(list) -> skip fi;
                                         mine = false; VALID
    :: called && !(held && holder != me) -> held = true; called = false; holder = 0; out--; mine = true; VALID
    fi
  };
  if :: mine -> pass_on() :: else -> skip fi;
  UNLOCK
}

proctype task(byte me) {
  byte round = 0, next, others, seen_holder; bool won, mine, has, gone, seen_waiters, seen_called;
  do
  :: round == ROUNDS -> break
  :: round < ROUNDS ->
     gone = false;
     atomic {                                           /* 1: lock */
       if
       :: !held ->
          held = true; holder = me; has = true; seen_waiters = waiters;
          if :: waiters -> overtaken++; assert(overtaken <= PASSES && called) :: !waiters -> skip fi
       :: else -> has = false
       fi
     };
     if
     :: has -> if :: seen_waiters -> passed++ :: else -> skip fi
     :: else ->
        atomic { granted[me] = false; pending[me] = true };                           /* arm */
        enlist();
        do
        :: has || gone -> break
        :: else ->
           (!pending[me]);                              /* sleeps */
           if
           :: granted[me] && HANDED_ONLY(me) -> has = true
           :: granted[me] && !HANDED_ONLY(me) -> answer();
              if
              :: has -> skip
              :: !has -> atomic { granted[me] = false; pending[me] = true }; come_again()
              :: !has -> decline(); gone = true         /* a request is there */
              fi
           :: granted[me] && !HANDED_ONLY(me) -> decline(); gone = true
           :: !granted[me] ->                           /* 8: it leaves the list */
              LOCK;
              if :: list??[eval(me)] -> list??eval(me) :: !(list??[eval(me)]) -> skip fi;
              if :: empty(list) -> if :: !called -> waiters = false :: called -> skip fi :: nempty(list) -> skip fi;
              VALID;
              UNLOCK;
              gone = true
           fi
        od
     fi;
     if
     :: has ->
        inside++; assert(inside == 1 && held && holder == me && passed <= PASSES); inside--;
        atomic { seen_waiters = waiters; seen_called = called; assert(held && holder == me) };  /* 1: unlock */
        if
        :: !seen_waiters || (seen_called && passed < PASSES) ->
           atomic {
             if
             :: waiters == seen_waiters && called == seen_called -> held = false; holder = 0; won = true; VALID
             :: else -> won = false
             fi
           }
        :: else -> won = false
        fi;
        if
        :: won -> skip
        :: else -> LOCK; assert(held && holder == me); pass_on(); UNLOCK
        fi
     :: else -> skip
     fi;
     atomic { round++; next = 0; others = 0; won = false; mine = false; has = false; seen_waiters = false; seen_called = false }
  od
}

proctype request() {
  byte who;
  select(who : 1 .. TASKS);
  atomic { if :: pending[who] -> pending[who] = false :: else -> skip fi }
}

init {
  byte i = 1;
  atomic {
    do :: i <= TASKS -> run task(i); i++ :: else -> break od;
    i = 0;
    do :: i < REQUESTS -> run request(); i++ :: else -> break od
  };
  (_nr_pr == 1);
  assert(!held && !waiters && !called && holder == 0 && empty(list) && inside == 0 && out == 0)
}
