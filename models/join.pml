/* Joining a task: park, look, and the end of the joined task (ARCHITECTURE.md, "Claim: who may resume"; semantics C5, S5).
 * Joiner: stores its waiter (next epoch, index) in the joined record, announces it there by a CAS on that task's word (fails when the task
 * is done: the result is read at once), then parks: one transition of its own word, next epoch, armed, Idle; refused when a request must
 * be observed, and then the announced epoch is spent as well: a completer may have read it already, and no later wait may have it.
 * After the park it looks at the joined word; by then it may be resumed elsewhere already, and the record be in another life.
 * If it is done, the look claims the wait: if that is won, the joiner goes on; if not, somebody else has enqueued it.
 * Whoever ends by request retracts the announcement; it may join again, or drop the handle.
 * Completer: ends by a CAS on the word, which tells of a joiner and of the handle; reads the waiter, then looks whether the record is
 * still in its life; then claims the waiter and enqueues it. A claim needs a pending wait of that epoch.
 * The record is freed by the second of end and dropped handle, then born again for another task with another joiner. Task 0 is the first
 * joiner: it has requests, and afterwards another wait, in a mask; task 1 joins the second life.
 * Memory: the words are sequentially consistent. The waiter is not: one who reads it may get what the announcement that it has seen in
 * the word released, or anything later.
 * Checked: a joiner always ends; it is resumed once per wait; the result is taken once, and only when done; a joiner touches the record
 * only in the life that it has a handle of; nobody is woken by the end of another life than the one it waits for, nor in a later wait.
 *   spin -a join.pml && cc -O2 -DSAFETY -o pan pan.c && ./pan -m200000
 */
mtype = { FREE, IDLE, ACTIVE, DONE };

/* the joiners' words */
mtype run_state[2] = ACTIVE;  byte epoch[2];  bool armed[2], claimed[2], by_request[2], cancelled[2], masked[2];
byte resumed[2];                  /* ghost: times enqueued, or gone on after the look, and not yet stepped */
/* the joined record: its word, and what is beside it */
mtype target = ACTIVE;  bool announced = false, dropped = false;
byte generation = 1;              /* odd: a life */
byte waiter = 0, released = 0;    /* released: what the last announcement made visible to those who have seen it */
bool taken[4];                    /* ghost, by life */
bool ends;                        /* the first task comes to an end by itself */
byte other_wait = 0;              /* the waiter of task 0's later wait */
#define WAITER(task, wait) (((wait) << 1) | (task))

inline claim(who, wait, request, won, slept) {
  atomic {
    slept = false;
    if
    :: armed[who] && !claimed[who] && epoch[who] == wait && !(request && masked[who]) ->
       claimed[who] = true; by_request[who] = request; won = true;
       if :: run_state[who] == IDLE -> run_state[who] = ACTIVE; slept = true :: else -> skip fi
    :: else -> won = false
    fi
  }
}
inline resume(who) { atomic { resumed[who]++; assert(resumed[who] == 1 && run_state[who] == ACTIVE) } }
inline step_begins(who) { atomic { resumed[who] > 0 -> resumed[who]-- } }
inline begin_wait(who) { epoch[who]++; armed[who] = true; claimed[who] = false; by_request[who] = false }
inline free_record() {
  generation++;
  target = FREE;
  if :: generation == 2 -> run second_life() :: else -> skip fi
}

proctype completer(byte life) {
  byte seen, value = 0; bool has_joiner, no_handle, won, slept;
  atomic {                                                         /* complete: acquires what has been announced */
    assert(target == ACTIVE && generation == life);
    target = DONE; has_joiner = announced; no_handle = dropped; seen = released
  }
  if
  :: has_joiner ->
     if
     :: value = seen                                               /* what a joiner of this life has put there */
     :: value = waiter;                                            /* whatever is there by now: */
        if :: generation != life -> value = 0 :: else -> skip fi   /* of this life? */
     fi
  :: else -> skip
  fi;
  if :: no_handle -> free_record() :: else -> skip fi;
  if
  :: value > 0 -> claim(value & 1, value >> 1, false, won, slept);
     if :: won -> assert((value & 1) == life / 2) :: else -> skip fi;
     if :: slept -> resume(value & 1) :: else -> skip fi
  :: else -> skip
  fi
}

proctype look(byte who; byte wait) {                               /* the rest of the step that has parked */
  bool won, slept;
  if
  :: target == DONE -> claim(who, wait, false, won, slept);
     if :: won -> assert(slept); resume(who) :: else -> skip fi    /* goes on: nobody has enqueued it */
  :: else -> skip
  fi
}

proctype canceller() {
  byte wait; bool won, slept;
  cancelled[0] = true; wait = epoch[0];
  claim(0, wait, true, won, slept);
  if :: slept -> resume(0) :: else -> skip fi
}

proctype joiner(byte who; byte life) {
  bool refused, done;
again:
  if :: target == DONE -> goto result :: else -> skip fi;
  waiter = WAITER(who, epoch[who] + 1);
  atomic {                                                         /* announce */
    assert(generation == life);
    refused = (target == DONE);
    if :: refused -> skip :: else -> announced = true; released = waiter fi
  }
  if :: refused -> goto result :: else -> skip fi;
  atomic {                                                         /* park */
    assert(run_state[who] == ACTIVE && !(armed[who] && !claimed[who]));
    refused = (cancelled[who] && !masked[who]);
    if :: refused -> skip :: else -> begin_wait(who); run_state[who] = IDLE; run look(who, epoch[who]) fi
  }
  if
  :: refused -> epoch[who]++; goto ended_by_request                 /* spent */
  :: else -> step_begins(who);
     if :: by_request[who] -> goto ended_by_request :: else -> goto result fi
  fi;

ended_by_request:
  atomic { assert(generation == life && target != FREE); announced = false }                       /* retract */
  if
  :: goto leave
  :: ends && !masked[who] -> masked[who] = true; goto again        /* it may be repeated */
  fi;

result:
  atomic { assert(generation == life && target == DONE && !taken[life]); taken[life] = true }

leave:
  atomic { dropped = true; done = (target == DONE) }
  if :: done -> free_record() :: else -> skip fi;
  if
  :: who == 0 ->                                                   /* another wait, of another kind: prepare, register, commit */
     masked[who] = true;
     atomic { assert(!(armed[who] && !claimed[who])); begin_wait(who) }
     other_wait = WAITER(who, epoch[who]);
     atomic { done = claimed[who]; if :: done -> skip :: else -> run_state[who] = IDLE fi }
     if :: done -> skip :: else -> step_begins(who) fi;
     assert(claimed[who] && !by_request[who])
  :: else -> skip
  fi;
  atomic { assert(resumed[who] == 0 && run_state[who] == ACTIVE); run_state[who] = DONE; armed[who] = false }
}

proctype waker() {                                                 /* ends that other wait */
  bool won, slept;
  other_wait > 0;
  claim(other_wait & 1, other_wait >> 1, false, won, slept);
  assert(won);                                                     /* nobody else was after this one */
  if :: slept -> resume(0) :: else -> skip fi
}

proctype second_life() {                                           /* the record is taken from the free stock */
  generation++;
  waiter = 0;
  atomic { released = 0; announced = false; dropped = false; target = ACTIVE }
  run completer(generation);
  run joiner(1, generation)
}

init {
  atomic {
    run joiner(0, 1); run waker();
    if
    :: ends = true; run completer(1)
    :: ends = true; run completer(1); run canceller()
    :: ends = false; run canceller()
    fi
  }
  (_nr_pr == 1);                                                   /* all done, else an invalid end state is reported */
  assert(run_state[0] == DONE && resumed[0] == 0 && resumed[1] == 0);
  assert(!ends || (run_state[1] == DONE && taken[3] && target == FREE && generation == 4))
}
