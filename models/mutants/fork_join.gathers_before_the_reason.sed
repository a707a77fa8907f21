# The request gathers the linked forks, and writes its reason later.
s/d_step { reason = true; gather() };/d_step { gather() }; reason = true;/
