# A joiner that a request has ended leaves its announcement: when it joins again, the completer takes a waiter that was never announced.
s/announced = false }  .*retract.*$/skip }/
