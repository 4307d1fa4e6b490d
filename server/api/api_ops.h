/* server/api/api_ops.h - what the files about operations share: one (api_ops.c), many (api_lines.c), the log (api_log.c).
 */
#pragma once
#include "server/http/request.h"

/* Does the request's If-Match name the lab's newest operation? True also when it has none. With the lab held. */
bool ops_if_match_holds(const struct request *request);
/* POST /labs/{lab}/ops with NDJSON. */
struct reply ops_post_lines(struct request *request);
