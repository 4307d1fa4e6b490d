/* server/api/lab_wish.c - see api_labs.h. */
#include "server/api/api_labs.h"
#include "server/json/config_json.h"
#include "server/json/json_value.h"

#include <stdio.h>
#include <string.h>

static bool wish_name(const json_t *value, struct lab_wish *wish, struct problem *why)
{
    if (!json_is_string(value)) {
        problem_say(why, "name", "name must be a text");
        return false;
    }
    if (json_string_length(value) == 0 || json_string_length(value) > LAB_NAME_MAX) {
        problem_say(why, "name", "name must have 1 to %d bytes", LAB_NAME_MAX);
        return false;
    }
    snprintf(wish->name, sizeof wish->name, "%s", json_string_value(value));
    wish->has_name = true;
    return true;
}

static bool wish_field(const char *field, const json_t *value, enum wish_kind kind, struct lab_wish *wish,
                       struct problem *why)
{
    if (strcmp(field, "name") == 0 && kind != WISH_WAKE)
        return wish_name(value, wish, why);
    if (kind == WISH_FORK && strcmp(field, "at") == 0) {
        wish->has_at = true;
        static const struct number_range RANGE = { "at", 0, UINT64_C(1) << 53 };
        return size_decode(value, &RANGE, &wish->at, why);
    }
    if (kind == WISH_CREATE)
        return config_field_decode(field, value, &wish->config, why);
    problem_say(why, field, "there is no field \"%.40s\" here", field);
    return false;
}

/* Words of the boot line come first: an option that is given by itself counts more, wherever it stands. */
static bool wish_boot(const json_t *root, struct lab_wish *wish, struct problem *why)
{
    const json_t *boot = json_object_get(root, "boot");
    const char *profile = json_string_value(json_object_get(root, "profile"));
    const struct profile *found = profile ? profile_find(profile, strlen(profile)) : profile_get(PROFILE_CLASSIC);
    if (!boot)
        return true;
    if (found && !(IN_LINUX >> found->id & 1)) {
        problem_say(why, "boot", "this profile has no boot line");
        return false;
    }
    return config_field_decode("boot", boot, &wish->config, why);
}

unsigned wish_decode(const struct request *request, enum wish_kind kind, struct lab_wish *wish, struct problem *why)
{
    json_t *root, *value;
    const char *field;
    *wish = (struct lab_wish){ 0 };
    unsigned status = json_decode(request->body.data ? request->body.data : "", request->body.length, &root, why);
    if (status)
        return status;
    bool ok = kind != WISH_CREATE || wish_boot(root, wish, why);
    json_object_foreach(root, field, value)
    {
        bool is_read = kind == WISH_CREATE && strcmp(field, "boot") == 0;
        ok = ok && (is_read || wish_field(field, value, kind, wish, why));
        if (!ok)
            break;
    }
    json_decref(root);
    return ok ? 0 : 422;
}
