# A refused park leaves the announced epoch to the task's next wait, which a completer that has read the waiter then ends.
s/:: refused -> epoch\[who\]++; goto/:: refused -> goto/
