/* server/api/api_ops.h - what the files about operations share: one (api_ops.c), many (api_lines.c), the log (api_log.c).
 */
#pragma once
#include "server/http/request.h"

struct log_entry;
struct op_result;

/* Does the request's If-Match name the lab's newest operation? True also when it has none. With the lab held. */
bool ops_if_match_holds(const struct request *request);
/* POST /labs/{lab}/ops with NDJSON. */
struct reply ops_post_lines(struct request *request);
/* Runs operation seq of the lab once more, with events, and shows it to each. Waits for the lab's past and for the log.
 * PAGODA_ERR_RULES  it has another result under today's rules. */
enum pagoda_error ops_relive(struct lab *lab, uint64_t seq,
                             bool (*each)(void *context, const struct log_entry *entry, const struct op_result *result),
                             void *context);
