/* The lock of Mutex: an atomic word and a list under a spin lock (include/quiesce/detail/sync/raw_mutex.hpp; the numbers are its).
 * word = held, waiters, holder: one atomic word. Without `waiters` it is changed by compare-exchange from free to held and back; while
 * `waiters` is set only by who has the spin lock. A wait is pending from when it is armed until one claim is won: by a grant (hand over)
 * or by a request, as in claim.pml, of which one transition is enough here.
 * Checked: one task at a time has the lock, and the word names it; nobody waits for ever, whoever is cancelled (an end state in which a
 * task waits is invalid); a lock is not taken by the fast path from who is in the list, unless that one still holds the spin lock;
 * at the end the lock is free, without `waiters`, and the list is empty.
 *   spin -a raw_mutex.pml && cc -O2 -DSAFETY -o pan pan.c && ./pan -m200000
 */
#define TASKS 3
#define ROUNDS 1
#define REQUESTS 2

bool held = false, waiters = false; byte holder = 0;    /* the word; a holder is a task's number, 1 and up */
byte spin = 0;
chan list = [TASKS] of { byte };                        /* under the spin lock */
bool pending[TASKS + 1], granted[TASKS + 1];            /* of each task's wait */
byte inside = 0;                                        /* ghost: tasks that have the lock */
#define LOCK   atomic { spin == 0 -> spin = 1 }
#define UNLOCK spin = 0

/* 4: by who owns the lock, under the spin lock */
inline hand_over() {
  do
  :: nempty(list) ->
     list?next;
     atomic { held = true; waiters = true; holder = next };
     atomic {                                           /* claim */
       if :: pending[next] -> pending[next] = false; granted[next] = true; won = true :: else -> won = false fi
     };
     if
     :: won -> if :: empty(list) -> waiters = false :: nempty(list) -> skip fi; break
     :: else -> skip
     fi
  :: empty(list) -> atomic { held = false; waiters = false; holder = 0 }; break
  od
}

proctype task(byte me) {
  byte round = 0, next, seen_holder; bool won, has, seen_held, seen_waiters, done;
  do
  :: round == ROUNDS -> break
  :: round < ROUNDS ->
     atomic {                                           /* 1: lock */
       if
       :: !held && !waiters -> held = true; holder = me; has = true; assert(empty(list) || spin == 1)
       :: else -> has = false
       fi
     };
     if
     :: has -> skip
     :: else ->                                         /* 2 */
        atomic { granted[me] = false; pending[me] = true };                           /* arm */
        atomic { LOCK; list!me; done = false };
        do
        :: done -> break
        :: else ->
           atomic { seen_held = held; seen_waiters = waiters; seen_holder = holder };
           if
           :: seen_waiters -> done = true
           :: else ->
              atomic {
                if
                :: held == seen_held && !waiters && holder == seen_holder -> held = true; waiters = true; won = true
                :: else -> won = false
                fi
              };
              if
              :: won -> done = true; if :: !seen_held -> hand_over() :: else -> skip fi
              :: else -> skip
              fi
           fi
        od;
        UNLOCK;
        (!pending[me]);                                 /* sleeps */
        has = granted[me];
        if
        :: has -> skip
        :: else ->                                      /* 6: it leaves the list */
           LOCK;
           if :: list??[eval(me)] -> list??eval(me) :: !(list??[eval(me)]) -> skip fi;
           if :: empty(list) -> waiters = false :: nempty(list) -> skip fi;
           assert(!granted[me]);
           UNLOCK
        fi
     fi;
     if
     :: has ->
        inside++; assert(inside == 1 && held && holder == me); inside--;
        atomic { seen_waiters = waiters };              /* 1: unlock */
        atomic {
          if
          :: !seen_waiters && !waiters -> held = false; holder = 0; won = true
          :: else -> won = false
          fi
        };
        if
        :: won -> skip
        :: else -> LOCK; assert(held && holder == me); hand_over(); UNLOCK
        fi
     :: else -> skip
     fi;
     atomic { round++; next = 0; seen_holder = 0; won = false; has = false; seen_held = false; seen_waiters = false; done = false }
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
  assert(!held && !waiters && holder == 0 && empty(list) && inside == 0)
}
