/* types.js - the shapes that the API answers with, as far as the pages use them. Types only, no code. */

/** @typedef {{ pfn: number, count: number }} Run */
/** @typedef {{ id: string, name: string, profile: string, memory: number, cpus: number, swap: number, min_block: number, machine: string, seq: number, now_ns: number, created: string, engine: Engine }} LabInfo */
/** @typedef {{ made: number, now: number, differs_at: number | null, compared: boolean }} Engine rules revisions: the one that recorded the log, the daemon's; the first operation that has another result under the daemon's */
/** @typedef {{ name: string, title: string, source: string, word_bits: number, page_size: number, nr_orders: number, kmalloc_max: number, memory_min: number, memory_default: number, memory_max: number, cpus_max: number, page_offset: string, min_blocks: number[] }} Profile */
/** @typedef {{ name: string, type: string, min: number, max: number, profiles: string[], words?: string[], doc: string }} OptionInfo words: of type word, what it may be */
/** @typedef {{ op: string, group: string, doc: string, needed: string[], further: string[], makes: boolean, frame_kind: string }} OpInfo makes: an allocation; frame_kind: what frames its group is about */
/** @typedef {{ name: string, type: string, unit: string, min: number, max: number, default: number | string | null, choices?: string[], doc: string }} ParamInfo */
/** @typedef {{ name: string, bits: string, mask: boolean }} GfpInfo */
/** @typedef {{ ops: OpInfo[], params: ParamInfo[], gfp: GfpInfo[], contexts: string[] }} OpTable */
/** @typedef {Record<string, any> & { event: string }} TraceEvent */
/** @typedef {{ seq: number, op: string, outcome: string, address: string | null, requested: number, allocated: number, cache: string | null, pid?: number, name_is_freed?: boolean, frames: Run[], nr_frame_runs: number, physically_contiguous: boolean, cost_ns: number, slept_ns: number, now_ns: number, cost?: { step: string, count: number, ns: number }[], nr_reclaimed?: number, path: string[], events: TraceEvent[], events_dropped?: number, decisions?: TraceEvent[], message: string | null, request?: Record<string, any> }} Result */
/** @typedef {{ seq: number, op: string, address: string, requested: number, allocated: number, release: string, name: string | null, call_site: string | null, cache: string | null, pid: number | null, nr_frames: number, order: number, frames: Run[], frames_cut?: boolean }} Allocation frames_cut: there are more runs of frames */
/** @typedef {{ seq: number, address: string, pid: number, holder: Allocation | null, pages_of: string | null }} Sought who held an address at a moment; holder null: nobody; pages_of: it is an array of page pointers, of the vmalloc area that starts there */
/** @typedef {{ start: string, end: string, requested: number, nr_pages: number, guard_pages: number, state: string, name: string | null, caller: string, seq: number, frames: Run[] }} VmArea */
/** @typedef {{ seq: number, start: string, end: string, nr_lazy_pages: number, areas: VmArea[] }} VmallocView */
/** @typedef {{ pid: number, parent_pid: number, name: string, rss_pages: number, swap_pages: number, minor_faults: number, major_faults: number, virtual_bytes: number, heap_start: string, brk: string }} Process */
/** @typedef {{ start: string, end: string, perms: string, name: string, rss_pages: number, swap_pages: number }} UserMap */
/** @typedef {{ order: number, migratetypes: Record<string, number>, nr_free: number, unusable_index?: number, fragmentation_index?: number }} FreeArea */
/** @typedef {{ name: string, start_pfn: number, spanned: number, present: number, managed: number, free: number, pcp: number, min: number, low: number, high: number, boost: number, highatomic: number, pcp_high: number, pcp_batch: number, lowmem_reserve?: number[], free_area: FreeArea[], pageblocks?: Record<string, number>, cpus?: CpuLists[], kswapd_awake?: boolean, active?: number, inactive?: number }} Zone */
/** @typedef {{ cpu: number, count: number, high: number, batch: number, free_factor: number, lists: { order: number, migratetype: string, nr_blocks: number }[] }} CpuLists */
/** @typedef {{ pfn: number, order: number, address: string, nr_objects: number, in_use: number, state: string, objects?: SlabObject[], cpu?: number, free_chain?: { cpu_first: string, first: string, stray?: string } }} Slab */
/** @typedef {{ address: string, in_use: boolean, requested: number, seq: number, name: string | null, call_site: string | null, free_next?: string, page_array_of?: string | null }} SlabObject */
/** @typedef {{ name: string, object_size: number, size: number, align: number, objects_per_slab: number, order: number, nr_slabs: number, nr_objects: number, nr_in_use: number, requested_bytes: number, layout?: { free_pointer: number }, rounding_bytes?: number, overhead_bytes?: number, flags?: string[] }} Cache */
/** @typedef {{ name: string, free: number, min: number, low: number, high: number }} ZoneLevel */
/** @typedef {{ seq: number, now_ns: number, frames: Record<string, number>, zones?: ZoneLevel[], nr_reclaimed?: number, nr_oom_kills?: number, swap_used_pages?: number, minor_faults?: number, major_faults?: number, outcomes?: Record<string, number> }} Point */
/** @typedef {{ seq: number, op: string, outcome: string, size?: number, name?: string, address?: string, pid?: number, text?: string, cost_ns: number, result?: { address?: string, allocated?: number, message?: string } }} OpRow */
/** @typedef {{ pointer?: string, field?: string, detail?: string }} FieldProblem */
/** @typedef {{ status: number, title: string, detail: string, errors: FieldProblem[] }} Problem */
/** @typedef {{ kind: 'allocation', address: string, pid: number } | { kind: 'frame', pfn: number } | { kind: 'object', address: string, pfn: number, cache: string }} Selection object: a free one of a slab */
/** @typedef {{ nr: number, shift: number, bytes: Uint8Array, seq: number, mixed: Uint8Array | null, shares?: ([number, number][] | null)[], counts?: Record<string, number> }} Cells shares: of tiles of several kinds; counts: frames by kind, where cells are tiles */
/** @typedef {{ step: string, count: number, ns: number }} CostStep */
/** @typedef {{ length: number, cost_ns: number, slept_ns: number, cost: CostStep[], tlb: { hits: number, misses: number, flushes: number } }} CompareStep */
/** @typedef {{ op: string, outcome: 'ok' | 'null' | 'bug', message: string | null, address: string | null, requested: number, allocated: number, cache: string | null, frames: { pfn: number, count: number }[], nr_frame_runs: number, physically_contiguous: boolean, contiguity: string | null, waste: { slack: number, page_array: number, page_tables: number, total: number, guard_addresses: number }, context: string, may_sleep: boolean, limit: number, release: string, cost_ns: number, slept_ns: number, cost: CostStep[], first_touch: CompareStep | null, access: CompareStep | null }} CompareAnswer */
/** @typedef {{ profile: string, machine: string, memory: number, size: number, gfp: string, context: string, allocators: CompareAnswer[] }} CompareReply */
/** @typedef {{ outcome: string, cost_ns: number, first_touch_ns: number, access_ns: number, allocated: number, waste: number }} ComparePoint */
/** @typedef {{ profile: string, memory: number, sizes: number[], allocators: { op: string, points: ComparePoint[] }[] }} CompareCurves */
export {};
