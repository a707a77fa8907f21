"""Regions, tasks and asynchronous stacks of a program that uses quiesce, in gdb: of a live process or of a core file.

    (gdb) source tools/gdb/quiesce-gdb.py
    (gdb) quiesce regions             the tree of live regions
    (gdb) quiesce tasks               the same with the tasks in it and what each waits for
    (gdb) quiesce stack 0.0.3         the chain of awaiting coroutines of one task, by its path or its id (T125.1)
    (gdb) quiesce stack all           of all of them; equal stacks once

It only reads memory and runs nothing in the program. The program, or the library, must have debug information (-g; clang:
-fstandalone-debug), for the records are read by their types.
"""
import re
import struct

import gdb

CHUNK, CHUNKS_MAX = 1 << 10, 1 << 14  # records in a chunk of a slab, chunks in a slab (slab.hpp)
FRAMES_MAX = 1000
NAMED_MAX = 3

IDLE, ACTIVE, DONE = 1, 2, 3
PHASES = ["Created", "Running", "CancelRequested", "Cancelling", "Finalizing", "Completed"]
GATES = ["Open", "Closing", "Finalizing", "Closed"]
ROLES = ["task", "body", "finalizer", "runner of finalizers", "driver", "task"]


# ---- reading ----

def type_of(name):
    try:
        return gdb.lookup_type(name)
    except gdb.error:
        raise gdb.GdbError(f"no debug information tells what {name} is: compile with -g (clang: with -fstandalone-debug too)")


def atomic(value):
    """What a std::atomic, of a number or of a pointer, holds."""
    for field in ("_M_i", "_M_b"):
        try:
            inner = value[field]
        except gdb.error:
            continue
        return inner["_M_p"] if field == "_M_b" else inner
    raise gdb.GdbError(f"{value.type} is no std::atomic that this script knows")


def number(value):
    return int(value) & ((1 << (8 * value.type.sizeof)) - 1)


def symbol_at(address):
    """The name of what is at an address, without its offset; '' when nothing is known there."""
    text = gdb.execute(f"info symbol {int(address):#x}", to_string=True)
    if text.startswith("No symbol"):
        return ""
    return re.sub(r" \+ \d+$", "", text.split(" in section ")[0]).strip()


def text_at(address):
    if int(address) == 0:
        return None
    return gdb.Value(int(address)).cast(gdb.lookup_type("char").pointer()).string(errors="replace")


def word_at(address, offset=0, size=8):
    memory = gdb.selected_inferior().read_memory(int(address) + offset, size)
    return int.from_bytes(bytes(memory), "little")


def chunks_of(record):
    """Where a slab's table of chunks is."""
    try:
        return int(gdb.parse_and_eval(f"(long) &'quiesce::detail::Slab<{record}>::chunks_'"))
    except gdb.error:
        raise gdb.GdbError(f"this program has no records of {record}: it does not use quiesce, or has no symbols")


def record_at(record, index):
    kind = type_of(record)
    return at(word_at(chunks_of(record), 8 * (index // CHUNK)) + index % CHUNK * kind.sizeof, kind)


def slab(record):
    """Every record of a slab that was ever made, with its word."""
    kind = type_of(record)
    chunks = chunks_of(record)
    size = kind.sizeof
    for i in range(CHUNKS_MAX):
        start = word_at(chunks, 8 * i)
        if start == 0:
            return
        memory = bytes(gdb.selected_inferior().read_memory(start, size * CHUNK))
        for at in range(CHUNK):
            yield struct.unpack_from("<Q", memory, at * size)[0], start + at * size, kind


def at(address, kind):
    return gdb.Value(address).cast(kind.pointer()).dereference()


# ---- names ----

def path_of(path):
    """A LogicalPath: ordinals, LEB128, in chunks of which the last is in the path itself."""
    words = [number(path["words_"][i]) for i in range(2)]
    tail = struct.pack("<QQ", *words)
    size, is_long = tail[15] & 0x7f, tail[15] & 0x80 != 0
    chunks = [tail[8:8 + size] if is_long else tail[:size]]
    node = words[0] if is_long else 0
    while int(node) != 0:
        try:
            node = gdb.Value(int(node)).cast(gdb.lookup_type("quiesce::detail::PathNode").pointer())
            chunks.append(bytes(int(node["bytes"][i]) for i in range(int(node["size"]))))
            node = node["prefix"]["node_"]
        except gdb.error:  # the library has no debug information
            chunks.append(None)
            break
    ordinals, ordinal, shift = [], 0, 0
    for byte in b"".join(chunk for chunk in reversed(chunks) if chunk is not None):
        ordinal |= (byte & 0x7f) << shift
        shift += 7
        if byte & 0x80 == 0:
            ordinals.append(str(ordinal))
            ordinal, shift = 0, 0
    return ("…." if None in chunks else "") + ".".join(ordinals)


def closing(text, open_, close):
    """Where the group begins that ends the text; -1 without."""
    depth = 0
    for i in range(len(text) - 1, -1, -1):
        depth += (text[i] == close) - (text[i] == open_)
        if depth == 0:
            return i
    return -1


def name_of_function(text):
    """As the library's name_of_function: without result, parameters and what a compiler adds."""
    text = re.sub(r" \[clone [^\]]*\]$", "", text)
    if text.endswith("]"):
        begin = closing(text, "[", "]")
        text = text[:begin].rstrip() if begin > 0 else text
    text = re.sub(r"( noexcept| const| &&| &)$", "", text)
    if text.endswith(")"):
        begin = closing(text, "(", ")")
        text = text[:begin] if begin >= 0 else text
    depth, begin = 0, 0
    for i, c in enumerate(text):
        if c in "<({":
            depth += 1
        elif c in ")}" or (c == ">" and text[i - 1:i] != "-"):
            depth -= 1
        elif c == " " and depth == 0 and not text[:i].endswith("operator"):
            begin = i + 1
    return text[begin:]


# ---- what there is ----

class Region:
    def __init__(self, word, value):
        self.value = value
        shards = value["shards"]
        spare = sum(number(shards[i]["spare"]) for i in range(shards.type.range()[1] + 1))
        self.live = max(0, (word & 0xffffffff) - spare)  # no task stands behind a spare count
        self.gate = GATES[(word >> 32) & 3]
        self.cancelled = word >> 34 & 1
        self.id = f"R{number(value['index'])}.{word >> 36}"
        self.path = path_of(value["path"])
        self.parent = int(value["parent"])
        self.tasks = []
        self.children = []

    def runtime(self):
        """Its runtime's name; None where the library has no debug information."""
        try:
            kernel = atomic(self.value["kernel"]["pointer_"]).cast(gdb.lookup_type("quiesce::detail::Kernel").pointer())
            return kernel["config_"]["name"]["_M_dataplus"]["_M_p"].string()
        except gdb.error:
            return None

    def line(self):
        state = self.gate + (", cancelled" if self.cancelled else "")
        return f"region {self.path} ({self.id}) {state}, live {self.live}"


class Task:
    def __init__(self, word, address, kind):
        self.value = at(address, kind)
        self.address = address
        self.run = word & 7
        self.phase = PHASES[word >> 3 & 7]
        if self.phase == "Created" and number(atomic(self.value["steps"])) > 0:
            self.phase = "Running"
        self.id = f"T{number(self.value['index'])}.{number(atomic(self.value['generation']))}"
        self.path = path_of(self.value["path"])
        self.region = int(self.value["region"])
        tier = int(self.value["tier"])
        role = ROLES[int(self.value["role"])]
        self.role = {1: "local", 2: "blocking"}.get(tier, role) if role == "task" else role
        self.wait_ops = self.value["wait"]["ops"]

    def waits(self):
        return self.run == IDLE and int(self.wait_ops) != 0

    def line(self):
        return f"{self.role} {self.path} ({self.id}) {self.state()}"

    def state(self):
        if self.waits():
            return f"{self.phase}, waits for {wait_of(self)}"
        if self.role == "blocking":
            return f"{self.phase}, on the blocking pool"
        return f"{self.phase}, " + ("sleeps" if self.run == IDLE else "runs or is queued")


def task_path(pointer):
    return path_of(pointer.cast(type_of("quiesce::detail::TaskRecord").pointer())["path"])


def members(value):
    """The fields of an object by value, bases first: (name, value)."""
    for field in value.type.strip_typedefs().fields():
        if field.is_base_class:
            yield from members(value[field])
        elif hasattr(field, "bitpos") and field.name:
            yield field.name, value[field]


def primitive_in(value, follow=True, depth=4):
    """The Primitive that an operation is of: in it, or in what it points at."""
    kind = value.type.strip_typedefs()
    if kind.code == gdb.TYPE_CODE_STRUCT:
        if kind.name == "quiesce::detail::Primitive":
            return value
        if depth == 0:
            return None
        for _, member in members(value):
            found = primitive_in(member, follow, depth - 1)
            if found is not None:
                return found
    elif kind.code in (gdb.TYPE_CODE_PTR, gdb.TYPE_CODE_REF) and follow:
        target = kind.target().strip_typedefs()
        if target.code == gdb.TYPE_CODE_STRUCT and target.fields() and int(value.address if kind.code == gdb.TYPE_CODE_REF else value):
            return primitive_in(value.referenced_value(), False, depth - 1)
    return None


def kind_of(primitive):
    """By the symbol's address: the library may have been built without the types of its variables."""
    kinds = gdb.parse_and_eval("(unsigned long)&'quiesce::detail::primitive_kinds'")
    return text_at(word_at(kinds, 8 * int(primitive["who_"]["kind"]["index_"])))


def branch_text(branch):
    """One operation of a select, by the name of its table: operation_ops<Op>."""
    name = re.search(r"operation_ops<(.*)>$", symbol_at(branch["ops"]))
    return operation_text(name[1], int(branch["op"]), True).strip() if name else ""


def waiting_operation(awaiter, data):
    """Where the operation of a wait is, whose awaiter has it, or points at it, or begins with a pointer to it."""
    place = at(data, gdb.lookup_type(awaiter))["waiting_"]["place_"]
    kind = place.type.strip_typedefs()
    if kind.code == gdb.TYPE_CODE_PTR:
        return int(place)
    return int(place.address) if kind.name.startswith("quiesce::detail::Waiting<") else word_at(data)


def operation_text(name, address, with_kind):
    """What an operation of that type waits for."""
    try:
        operation = at(address, gdb.lookup_type(name))
        for field, value in members(operation):
            if field == "target_":
                return f" of task {task_path(value)}"
        primitive = primitive_in(operation)
    except gdb.error:
        return ""
    if primitive is None:
        return ""
    label = text_at(primitive["who_"]["name"])
    return (f" {kind_of(primitive)}" if with_kind else "") + (f' "{label}"' if label else "")


def region_waited_for(task):
    link = number(atomic(task.value["extra"]["link_"]))  # its index, and one
    if link == 0:
        return ""
    extra = record_at("quiesce::detail::TaskExtra", link - 1)
    if int(extra["opened"]) == 0:
        return ""
    return ": " + path_of(extra["opened"]["path"])


def wait_of(task):
    ops = task.wait_ops.dereference()
    what = text_at(ops["what"])
    data = int(task.value["wait"]["data"])
    table = symbol_at(task.wait_ops)
    try:
        if table.endswith("join_wait"):
            return f"{what}: {task_path(at(data, type_of('quiesce::detail::JoinWait'))['target'])}"
        if table.endswith("region_wait"):
            return what + region_waited_for(task)
        word = re.match(r".*WordAwaiter<(.*?)>::kind<", table)
        if word is not None:
            return what + operation_text(word[1], int(task.value["wait"]["data"].address), False)
        wait = re.match(r"(.*WaitAwaiter<(.*), (?:true|false)>)::kind<", table)
        if wait is not None:
            return what + operation_text(wait[2], waiting_operation(wait[1], data), False)
        if table.endswith("select_wait"):
            branches = at(data, type_of("quiesce::detail::SelectBase"))["branches"]
            first = branches["_M_ptr"]
            count = int(branches["_M_extent"]["_M_extent_value"])
            texts = [branch_text(first[i]) for i in range(count)]
            return f"{what}: " + ", ".join(text or "?" for text in texts)
    except gdb.error:
        pass  # a type that nobody has told of: the wait is known all the same
    return what


def place_of(pointer):
    """A std::source_location's word: two texts, line and column."""
    if pointer == 0:
        return None
    file, function = text_at(word_at(pointer)), text_at(word_at(pointer, 8))
    return name_of_function(function), f"{file}:{word_at(pointer, 16, 4)}:{word_at(pointer, 20, 4)}"


def place_of_leaf(task, promise, address):
    """A node may lie where the place was: then its lower half is in the record, and the rest as in the address of the frame's code."""
    word = int(promise["awaits_at"])
    if not bool(task.wait_ops.dereference()["keeps_place"]) and word > 7:
        return word
    code = word_at(address - 16)
    apart = (int(task.value["wait"]["place"]) - code) & 0xFFFFFFFF
    return code + (apart - (1 << 32) if apart >> 31 else apart)


def function_of_frame(promise):
    """Of a coroutine that has not said where it is: its frame begins two words before the promise, with what resumes it."""
    resume = word_at(promise - 16)
    name = symbol_at(resume)
    return name_of_function(re.sub(r"\.(actor|resume)$", "", name)) if name else "?"


def stack_of(task):
    """Innermost first: one text each."""
    frames = []
    leaf = int(task.value["leaf"])
    if leaf == 0 or not is_coroutine(leaf):
        return frames
    kind = type_of("quiesce::detail::PromiseBase")
    while leaf != 0 and len(frames) < FRAMES_MAX:
        promise = at(leaf, kind)
        # The innermost of a task that does not wait is about to go on, or does: its last await says nothing.
        place = None
        if frames:
            place = place_of(int(promise["awaits_at"]))
        elif task.waits():
            place = place_of(place_of_leaf(task, promise, leaf))
        frames.append(f"{place[0]} at {place[1]}" if place else function_of_frame(leaf))
        leaf = (int(promise["parent_high_"]) << 32 | int(promise["parent_low_"])) << 3
    if leaf != 0:
        frames.append("…")
    return frames


def is_coroutine(leaf):
    ops = word_at(leaf)
    return word_at(ops, 8) != 0  # it can be looked at


def load():
    """The roots, with everything below them, in the order of their paths."""
    regions, order = {}, []
    for word, address, kind in slab("quiesce::detail::RegionRecord"):
        if word >> 32 & 3 == 3 or word >> 36 == 0:
            continue
        regions[address] = Region(word, at(address, kind))
        order.append(address)
    for word, address, kind in slab("quiesce::detail::TaskRecord"):
        if word & 7 not in (IDLE, ACTIVE):
            continue
        task = Task(word, address, kind)
        if task.region in regions:
            regions[task.region].tasks.append(task)
    roots = []
    for address in order:
        region = regions[address]
        region.tasks.sort(key=lambda task: sort_key(task.path))
        (regions[region.parent].children if region.parent in regions else roots).append(region)
    for region in regions.values():
        region.children.sort(key=lambda child: sort_key(child.path))
    return sorted(roots, key=lambda region: sort_key(region.path))


def sort_key(path):
    return [int(ordinal) if ordinal.isdigit() else -1 for ordinal in path.split(".")]


def walk(regions, depth=0):
    for region in regions:
        yield region, depth
        yield from walk(region.children, depth + 1)


def say_roots(roots):
    if not roots:
        print("no live region")
    for name in sorted({name for name in (root.runtime() for root in roots) if name}):
        print(f'runtime "{name}"')


# ---- commands ----

class Quiesce(gdb.Command):
    """Regions, tasks and asynchronous stacks of a program that uses quiesce."""

    def __init__(self):
        super().__init__("quiesce", gdb.COMMAND_DATA, prefix=True)


class QuiesceRegions(gdb.Command):
    """quiesce regions: the tree of live regions."""

    def __init__(self):
        super().__init__("quiesce regions", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        roots = load()
        say_roots(roots)
        for region, depth in walk(roots):
            print("  " * depth + region.line())


class QuiesceTasks(gdb.Command):
    """quiesce tasks: the tree of live regions with the tasks in it, and what each waits for."""

    def __init__(self):
        super().__init__("quiesce tasks", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        roots = load()
        say_roots(roots)
        for region, depth in walk(roots):
            print("  " * depth + region.line())
            for task in region.tasks:
                print("  " * (depth + 1) + task.line())


class QuiesceStack(gdb.Command):
    """quiesce stack TASK: its chain of awaiting coroutines, innermost first. TASK: a path (0.0.3), an id (T125.1), or `all`."""

    def __init__(self):
        super().__init__("quiesce stack", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        wanted = argument.strip()
        if not wanted:
            raise gdb.GdbError("quiesce stack TASK: a task's path (0.0.3), its id (T125.1), or `all`")
        roots = load()
        if wanted == "all":
            return self.show_all(roots)
        found = [task for region, _ in walk(roots) for task in region.tasks if wanted in (task.path, task.id)]
        if not found:
            raise gdb.GdbError(f"no live task is {wanted}: `quiesce tasks` lists them")
        for task in found:
            print(task.line())
            self.show(stack_of(task), "  ")
        return None

    def show_all(self, roots):
        say_roots(roots)
        for region, depth in walk(roots):
            print("  " * depth + region.line())
            alike = {}
            for task in region.tasks:
                stack = stack_of(task)
                alike.setdefault((task.role, task.state(), tuple(stack)), []).append(task)
            for (role, state, stack), tasks in alike.items():
                indent = "  " * (depth + 1)
                if len(tasks) == 1:
                    print(indent + tasks[0].line())
                else:
                    names = ", ".join(task.path for task in tasks[:NAMED_MAX]) + (", …" if len(tasks) > NAMED_MAX else "")
                    print(f"{indent}{len(tasks)} of {role} ({names}) {state}")
                self.show(stack, indent + "    ")

    @staticmethod
    def show(stack, indent):
        for i, frame in enumerate(stack):
            print(f"{indent}#{i} {frame}")


Quiesce()
QuiesceRegions()
QuiesceTasks()
QuiesceStack()
