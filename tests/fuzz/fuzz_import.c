/* Traces in every format, as they arrive: plain, gzip or zstd. The first byte says which format they are taken for. */
#include "tests/fuzz/fuzz.h"
#include "server/import/import.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t nr_bytes)
{
    static struct import_summary summary;
    if (!nr_bytes)
        return 0;
    struct memory_source memory = { .bytes = (const char *)data + 1, .nr_bytes = nr_bytes - 1 };
    struct input *input = input_open(source_of_memory(&memory));
    if (!input)
        return 0;
    enum trace_format format = (enum trace_format)(data[0] % NR_TRACE_FORMATS);
    struct machine *machine = fuzz_machine(data[0] & 128 ? FUZZ_CLASSIC : FUZZ_SMALL);
    machine_record_events(machine, false);
    struct import_sink sink = fuzz_sink(machine);
    summary = (struct import_summary){ 0 };
    enum pagoda_error error = import_run(input, format, &sink, &summary);
    if (error && error != PAGODA_ERR_NOMEM)
        fuzz_fail("an error that is none of the sink's");
    struct buffer out = { 0 };
    import_summary_encode(&out, &summary, machine_seq(machine), 0);
    buffer_clear(&out);
    fixture_check(machine);
    input_close(input);
    return 0;
}
