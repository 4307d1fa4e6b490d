/* server/json/result_json.h - what an operation did, as JSON. */
#pragma once
#include "pagoda/machine.h"
#include "server/base/buffer.h"

/* The whole result as one object; request, when not NULL, stands in it as "request". */
void result_encode(struct buffer *out, const struct op_result *result, bool with_decisions, const struct op *request);
/* Its fields "frames", "nr_frame_runs" and "physically_contiguous"; the object is open. */
void result_frames_encode(struct buffer *out, const struct op_result *result);
