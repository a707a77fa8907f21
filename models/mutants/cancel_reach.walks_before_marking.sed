# The canceller walks the tasks first and closes the regions afterwards.
s|mark(0); linked = child_linked;|linked = child_linked;|
s|:: linked -> mark(1) :: else|:: false -> skip :: else|
s|:: linked -> walk_tasks(1) :: else -> skip fi$|:: linked -> walk_tasks(1); mark(1) :: else -> skip fi; mark(0)|
