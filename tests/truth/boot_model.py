#!/usr/bin/env python3
"""The boot of a PC under Debian's Linux 6.1, worked out a second time, independently of the engine.

The kernel hands out memory before it has a page allocator: memblock gives the highest free bytes that fit. What it gave stays
reserved, and every byte counts, because a page of which one byte is taken is not free. This file replays those requests in
their order and then works out what each zone manages, its watermarks, its lowmem reserves and the limits of its per-CPU lists.
It shares nothing with the engine, so that both can be held against the recordings and against each other.

Sources (Linux v6.1): mm/memblock.c; arch/x86/mm/init.c: memory_map_top_down(), alloc_low_pages(); mm/sparse.c: sparse_init();
arch/x86/kernel/e820.c: e820__reserve_resources(); init/main.c: setup_command_line(); mm/percpu.c: pcpu_embed_first_chunk(),
pcpu_setup_first_chunk(); kernel/printk/printk.c: setup_log_buf(); mm/page_alloc.c: alloc_large_system_hash(),
init_per_zone_wmark_min(); arch/x86/mm/cpu_entry_area.c; kernel/dma/swiotlb.c; mm/khugepaged.c.

  boot_model.py --recordings DIR...   compares with recorded machines (zoneinfo.txt beside qemu-config.txt)
  boot_model.py --sweep N [--seed S]  prints N random machines, a line each
  boot_model.py --sweep N --engine P  compares them with the program P (truth), which boots them in the engine
"""

import argparse
import gzip
import math
import random
import re
import subprocess
import sys
from pathlib import Path

PAGE = 4096
LINE = 64  # bytes of a cache line: SMP_CACHE_BYTES
MIB, GIB = 1 << 20, 1 << 30
HUGE = 2 * MIB

# The recorded build, 6.1.192-2, with its initrd. Pages.
KERNEL_START, KERNEL_END = 4096, 17425
BRK_START, BRK_TABLES = 17408, 16
INITRD_PAGES = 576
FIRMWARE_PAGES = 32  # ACPI's tables at the end of low memory
LATE_PAGES = 576 + 706 + 510 + 277 + 509  # initrd, initmem, gap text/rodata, gap rodata/data, decrypted
ALTERNATIVES_PAGES = 9  # go back before the initcalls
PERCPU_PAGES = 62  # each CPU
ENTRY_AREA_PAGES = 59  # each CPU's entry area
SECTION = 128 * MIB


def round_up(number, unit):
    return -(-number // unit) * unit


def next_power_of_two(number):
    return 1 << max(number - 1, 0).bit_length()


class Memblock:
    """Ranges [start, end) in bytes: those that are memory, and those of them that are reserved."""

    def __init__(self, memory):
        self.memory = memory
        self.reserved = []

    def reserve(self, start, end):
        kept = []
        for a, b in self.reserved:
            if b < start or a > end:
                kept.append((a, b))
            else:
                start, end = min(a, start), max(b, end)
        self.reserved = sorted(kept + [(start, end)])

    def free(self, start, end):
        kept = []
        for a, b in self.reserved:
            kept += [piece for piece in ((a, min(b, start)), (max(a, end), b)) if piece[0] < piece[1]]
        self.reserved = kept

    def gaps(self):
        for start, end in self.memory:
            at = start
            for a, b in self.reserved:
                if b <= at or a >= end:
                    continue
                if a > at:
                    yield at, a
                at = b
            if at < end:
                yield at, end

    def find(self, size, align, low, high):
        for start, end in reversed(list(self.gaps())):
            start, end = max(start, low), min(end, high)
            at = (end - size) // align * align
            if end - size >= start and at >= start:
                return at
        return None

    def alloc(self, size, align=LINE, low=PAGE, high=1 << 52):
        at = self.find(size, align, low, high)
        if at is not None:
            self.reserve(at, at + size)
        return at


class DirectMap:
    """Page tables of the direct map: from the kernel's brk while it lasts and is not being mapped itself, else memblock's."""

    def __init__(self, memblock):
        self.memblock = memblock
        self.used = 0  # of the brk
        self.may_use_brk = True
        self.low = self.high = 0  # what is mapped by now
        self.tables = set()

    def need(self, level, index):
        if (level, index) in self.tables:
            return
        self.tables.add((level, index))
        if self.may_use_brk and self.used < BRK_TABLES:
            self.used += 1
        elif self.memblock.alloc(PAGE, PAGE, self.low, self.high) is None:
            raise MemoryError

    def map_range(self, start, end):
        at = start
        while at < end:
            block = at // HUGE * HUGE
            stop = min(end, block + HUGE)
            self.need("pud", at >> 39)
            self.need("pmd", at >> 30)
            if at != block or stop != block + HUGE:
                self.need("pte", block)
            at = stop
        self.high = max(self.high, end)

    def map_memory(self, start, end):
        mapped = 0
        for a, b in self.memblock.memory:
            a, b = max(a, start), min(b, end)
            if a < b:
                free, top = (BRK_START + self.used) * PAGE, (BRK_START + BRK_TABLES) * PAGE
                self.may_use_brk = max(a, free) >= min(b, top)
                self.map_range(a, b)
                self.may_use_brk = True
                mapped += b - a
        return mapped

    def map_all(self, end):
        self.map_range(0, MIB)
        real_end = self.memblock.find(HUGE, HUGE, MIB, end) + HUGE
        self.low, self.high = real_end, 0
        last, step, mapped = real_end, HUGE, 0
        while last > MIB:
            start = max((last - 1) // step * step, MIB) if last > step else MIB
            mapped += self.map_memory(start, last)
            last = self.low = start
            if mapped >= step:
                step <<= 8
        if real_end < end:
            self.map_memory(real_end, end)


class Machine:
    """memory, low (0: none): bytes; cmdline_length: characters of the boot line."""

    def __init__(self, memory, cpus, cmdline_length, low_limit=0, huge_pages=True):
        self.memory, self.cpus, self.cmdline_length, self.huge_pages = memory, cpus, cmdline_length, huge_pages
        limit = min(low_limit or 3 * GIB, 3 * GIB)
        split = memory >= (low_limit or 3584 * MIB)
        self.low_end = (limit if split else memory) - FIRMWARE_PAGES * PAGE
        self.high = memory - limit if split else 0
        self.end = 4 * GIB + self.high if self.high else self.low_end
        areas = [(PAGE, 0x9F000), (MIB, self.low_end)]
        if self.high:
            areas.append((4 * GIB, self.end))
        self.memblock = Memblock(areas)
        self.boot()
        self.make_zones()

    # --- what is taken, in the order of the kernel's calls ---

    def boot(self):
        block = self.memblock
        block.reserve(0, MIB)
        block.reserve(KERNEL_START * PAGE, KERNEL_END * PAGE)
        block.reserve(self.low_end - INITRD_PAGES * PAGE, self.low_end)
        DirectMap(block).map_all(self.end)
        block.alloc(43 * PAGE)  # node data
        self.take_sections()
        self.take_maps()
        self.take_percpu()
        self.take_log_buffer()
        self.take_hash_tables()
        for _ in range(2 + (1 + ENTRY_AREA_PAGES * (self.cpus - 1) + 18) // 512 + 1):
            block.alloc(PAGE, PAGE)
        if self.high:
            self.take_bounce_buffer()

    def take_sections(self):
        block = self.memblock
        self.nr_sections = round_up(self.low_end, SECTION) // SECTION + round_up(self.high, SECTION) // SECTION
        block.alloc(8 * PAGE)  # mem_section's roots, 128 sections each
        for _ in range((self.end - 1) // (128 * SECTION) + 1):
            block.alloc(PAGE)
        block.alloc(56 * self.nr_sections)
        block.alloc(self.nr_sections * HUGE, HUGE, 16 * MIB)
        for _ in range(2 + (self.end - 1) // (64 * GIB)):
            block.alloc(PAGE, PAGE)  # tables that map the page structs

    def take_maps(self):
        block, entries = self.memblock, 8 if self.high else 7
        block.alloc(128 + LINE)  # the IO-APIC's resource
        block.alloc(64 * (entries + 1))
        for _ in range(entries):
            block.alloc(104)
        for _ in range(3 if self.high else 2):
            block.alloc(32)
        for _ in range(2):
            block.alloc(self.cmdline_length + 1)

    def units_per_group(self):
        """pcpu_build_alloc_info(): how many CPUs share 2 MiB."""
        best, least = 1, None
        for units in range(HUGE // (PERCPU_PAGES * PAGE), 0, -1):
            if HUGE % units or HUGE // units % PAGE:
                continue
            groups = -(-self.cpus // units)
            if groups * units - self.cpus > self.cpus // 3:
                continue
            if least is not None and groups > least:
                break
            best, least = units, groups
        return best

    def take_percpu(self):
        block, units = self.memblock, self.units_per_group()
        unit, nr_units = HUGE // units, round_up(self.cpus, units)
        info = block.alloc(PAGE, PAGE)
        areas = block.alloc(PAGE)
        group = block.alloc(nr_units * unit, HUGE, 16 * MIB)
        if group is None:
            raise MemoryError
        for i in range(nr_units):
            block.free(group + i * unit + (PERCPU_PAGES * PAGE if i < self.cpus else 0), group + (i + 1) * unit)
        for size in (8, 8, 4 * self.cpus, 8 * self.cpus, 16 * (unit.bit_length() + 1)):
            block.alloc(size)
        for nr_pages in (2, 7):  # the reserved and the dynamic chunk: themselves, two bitmaps, block descriptors
            for size in (144, 128 * nr_pages, 128 * nr_pages + 8, 32 * nr_pages):
                block.alloc(size)
        block.free(areas, areas + PAGE)
        block.free(info, info + PAGE)
        for _ in range(5):
            block.alloc(8)  # CPU masks

    def take_log_buffer(self):
        extra = (self.cpus - 1) * 4096
        if extra <= 65536:
            return
        size = next_power_of_two(131072 + extra)
        for bytes_a_record in (32, 24, 88):
            self.memblock.alloc(size // 32 * bytes_a_record, 8)

    def zone_ranges(self):
        ranges = [("DMA", 1, 4096, 4096 - 256 + 158)]
        low_end = self.low_end // PAGE
        ranges.append(("DMA32", 4096, 1 << 20 if self.high else low_end, low_end - 4096))
        if self.high:
            ranges.append(("Normal", 1 << 20, self.end // PAGE, self.high // PAGE))
        return ranges

    def nr_kernel_pages(self):
        total = -158  # what is reserved of the DMA zone
        for _, start, end, present in self.zone_ranges():
            spanned = end - start
            pages = present if spanned > present + (present >> 4) else spanned
            total += present - round_up(pages * 64, PAGE) // PAGE
        return total

    def take_hash_tables(self):
        pages = round_up(self.nr_kernel_pages(), 256)
        for shift in (1, 2):  # dentries, inodes
            self.memblock.alloc(8 * next_power_of_two(max(pages >> shift, 512)))

    def take_bounce_buffer(self):
        size = 64 * MIB
        while self.memblock.alloc(size, PAGE, PAGE, 4 * GIB) is None:
            size //= 2
        self.memblock.alloc(round_up(size // 2048 * 24, PAGE), PAGE)
        self.memblock.alloc(16 * next_power_of_two(self.cpus))

    # --- zones ---

    def make_zones(self):
        self.zones = []
        for name, start, end, present in self.zone_ranges():
            managed = 0
            for a, b in self.memblock.gaps():
                managed += max(0, min(b // PAGE, end) - max(round_up(a, PAGE) // PAGE, start))
            if name == "DMA32":
                managed += ALTERNATIVES_PAGES
            self.zones.append({"name": name, "spanned": end - start, "present": present, "managed": managed, "high": 0})
        self.set_boot_limits()
        self.zones[1]["managed"] += LATE_PAGES

    def above_high(self):
        return sum(max(0, zone["managed"] - zone["high"]) for zone in self.zones)

    def set_marks(self):
        total = sum(zone["managed"] for zone in self.zones)
        for zone in self.zones:
            zone["min"] = self.min_free_kbytes // 4 * zone["managed"] // total
            step = max(zone["min"] // 4, zone["managed"] * 10 // 10000)
            zone["low"], zone["high"] = zone["min"] + step, zone["min"] + 2 * step
            batch = max(min(zone["managed"] // 1024, 256) // 4, 1)
            batch = max(1, (1 << (batch + batch // 2).bit_length() - 1) - 1)
            zone["pcp_batch"] = batch
            zone["pcp_high"] = max(zone["low"] // self.cpus, 4 * batch)

    def set_boot_limits(self):
        self.min_free_kbytes = min(max(math.isqrt(self.above_high() * 4 * 16), 128), 262144)
        self.set_marks()
        for i, zone in enumerate(self.zones):
            zone["threshold"] = min(125, 2 * self.cpus.bit_length() * (1 + (zone["managed"] >> 15).bit_length()))
            drift = self.cpus * zone["threshold"]
            zone["drift_mark"] = drift if self.cpus > 1 else 0
            if drift > zone["low"] - zone["min"]:
                zone["drift_mark"] = zone["high"] + drift
            ratio = (256, 256, 32)[i]
            zone["protection"] = [sum(z["managed"] for z in self.zones[i + 1 : j + 1]) // ratio for j in range(4)]
        if self.huge_pages and sum(zone["managed"] for zone in self.zones) >= 131072:
            pages = min(len(self.zones) * 512 * 11, self.above_high() // 20)
            if pages * 4 > self.min_free_kbytes:
                self.min_free_kbytes = pages * 4
                self.set_marks()

    def line(self):
        fields = ("spanned", "present", "managed", "min", "low", "high", "pcp_high", "pcp_batch", "threshold", "drift_mark")
        text = f"{self.memory >> 12} {self.cpus} {self.cmdline_length}"
        for zone in self.zones:
            text += f" | {zone['name']} " + " ".join(str(zone[field]) for field in fields)
            text += " " + ",".join(map(str, zone["protection"]))
        return text


# --- recordings ---


def parse_zoneinfo(text):
    zones = []
    for name, body in re.findall(r"Node 0, zone\s+(\w+)(.*?)(?=Node 0, zone|\Z)", text, re.S):
        boost = int(re.search(r"boost\s+(\d+)", body)[1])  # the marks are printed with it

        def number(word, body=body, boost=boost):
            return int(re.search(rf"\b{word}:?\s+(\d+)", body)[1]) - (boost if word in ("min", "low", "high") else 0)

        if number("managed"):
            zone = {field: number(field) for field in ("spanned", "present", "managed", "min", "low", "high")}
            zone.update(name=name, pcp_high=int(re.search(r"high:\s+(\d+)", body)[1]), pcp_batch=number("batch"))
            zone["threshold"] = int(re.search(r"vm stats threshold: (\d+)", body)[1])
            zone["protection"] = [int(n) for n in re.search(r"protection: \((.*?)\)", body)[1].split(", ")][:4]
            zones.append(zone)
    return zones


def recorded_machine(folder):
    words = dict(word.split("=", 1) for word in (folder / "qemu-config.txt").read_text().split())
    limit = re.search(r"max-ram-below-4g=(\d+)M", words["machine"])
    kept = folder / "boot-cmdline.txt"
    boot_line = kept.read_text().rstrip("\n") if kept.exists() else "x" * 66
    unit = GIB if words["mem"].endswith("G") else MIB
    return Machine(int(words["mem"][:-1]) * unit, int(words["smp"]), len(boot_line), int(limit[1]) * MIB if limit else 0,
                   "transparent_hugepage=never" not in boot_line)


def compare(folder, zoneinfo):
    machine, faults = recorded_machine(folder), []
    recorded = parse_zoneinfo(zoneinfo.read_text())
    for ours, theirs in zip(machine.zones, recorded, strict=True):
        faults += [f"{theirs['name']} {field}: {ours[field]} instead of {value}"
                   for field, value in theirs.items() if ours[field] != value]
    dmesg = folder / "dmesg.txt.gz"
    total = re.search(r"Total pages: (\d+)", gzip.open(dmesg, "rt", errors="replace").read()) if dmesg.exists() else None
    if total and int(total[1]) != machine.nr_kernel_pages():
        faults.append(f"{machine.nr_kernel_pages()} kernel pages instead of {total[1]}")
    return faults


def compare_recordings(roots):
    nr, nr_bad = 0, 0
    for root in roots:
        for config in sorted(Path(root).rglob("qemu-config.txt")):
            for name in ("zoneinfo.txt", "before-zoneinfo.txt"):
                if (config.parent / name).exists():
                    faults = compare(config.parent, config.parent / name)
                    nr, nr_bad = nr + 1, nr_bad + bool(faults)
                    print(f"{config.parent.name}: {'; '.join(faults) or 'identical'}")
    print(f"{nr} machines, {nr_bad} different")
    return nr > 0 and nr_bad == 0


def random_machine(random_source):
    memory = int(math.exp(random_source.uniform(math.log(96), math.log(65536)))) * MIB
    cpus = random_source.choice([1, 1, 2, 4, 8, 16, random_source.randint(1, 64)])
    return memory, cpus, random_source.randint(20, 200)


def sweep(count, seed):
    source = random.Random(seed)
    return [Machine(*random_machine(source)).line() for _ in range(count)]


def compare_engine(program, lines):
    sizes = [line.split(" |")[0] for line in lines]
    answer = subprocess.run([program, "--boot"], input="\n".join(sizes) + "\n", capture_output=True, text=True, check=True)
    theirs = answer.stdout.splitlines()
    bad = [(ours, engine) for ours, engine in zip(lines, theirs, strict=True) if ours != engine]
    for ours, engine in bad[:5]:
        print(f"model:  {ours}\nengine: {engine}")
    print(f"{len(lines)} random machines, {len(bad)} different")
    return len(lines) > 0 and not bad


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recordings", nargs="+")
    parser.add_argument("--sweep", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--engine")
    options = parser.parse_args()
    if options.recordings:
        sys.exit(0 if compare_recordings(options.recordings) else 1)
    lines = sweep(options.sweep or 0, options.seed)
    if options.engine:
        sys.exit(0 if compare_engine(options.engine, lines) else 1)
    print("\n".join(lines))


if __name__ == "__main__":
    main()
