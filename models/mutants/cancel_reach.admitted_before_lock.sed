# A spawner is admitted before it has the shard's lock, and linked under it: the walk may pass in between.
/^proctype spawner/,/^}/ s|^  lock(shard_lock\[r\]);$||
s|:: ok -> task_linked\[t\] = true :: else -> skip fi;|:: ok -> lock(shard_lock[r]); task_linked[t] = true; unlock(shard_lock[r]) :: else -> skip fi|
/^proctype spawner/,/^}/ s|^  unlock(shard_lock\[r\])$||
