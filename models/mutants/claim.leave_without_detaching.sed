# The resumed task goes on without taking its node out of the list under the lock.
s/LOCK; linked = false; assert(claimed/assert(claimed/
s/^           UNLOCK;$//
