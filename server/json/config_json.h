/* server/json/config_json.h - a machine's configuration in JSON, driven by the engine's own table of options. */
#pragma once
#include "pagoda/config.h"
#include "server/base/buffer.h"
#include <jansson.h>

/* Sets one field: "profile", an option of the table, "boot", "lowmem_reserve_ratio", "cost_ns". False: *why says what is
 * wrong. */
bool config_field_decode(const char *field, const json_t *value, struct machine_config *config, struct problem *why);
/* Every option that the profile has, "profile" first; costs only where they differ from the table's. The object is open. */
void config_encode_fields(struct buffer *out, const struct machine_config *config);
/* The options themselves, for forms: an array of name, type, minimum, maximum, profiles, doc. */
void config_table_encode(struct buffer *out);
