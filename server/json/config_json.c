/* server/json/config_json.c - see config_json.h. Some fields are no plain numbers: profile is a name, boot a line,
 * lowmem_reserve_ratio a list of three, cost_ns an object of cost steps and nanoseconds. */
#include "server/json/config_json.h"
#include "server/base/problem.h"
#include "server/json/boot_line.h"
#include "server/json/json_value.h"

#include <string.h>

#define COST_MAX_NS 1000000000u

static bool profile_decode(const json_t *value, struct machine_config *config, struct problem *why)
{
    const char *text = json_string_value(value);
    const struct profile *profile = text ? profile_find(text, strlen(text)) : NULL;
    if (profile)
        config->profile = profile->id;
    else if (text)
        problem_say(why, "profile", "there is no profile \"%.40s\"", text);
    else
        problem_say(why, "profile", "profile must be a text");
    return profile != NULL;
}

static bool boot_decode(const json_t *value, struct machine_config *config, struct problem *why)
{
    const char *line = json_string_value(value);
    if (line)
        return boot_line_decode(line, config, why);
    problem_say(why, "boot", "boot must be a text: words of the kernel's boot line");
    return false;
}

static bool ratios_decode(const json_t *value, struct machine_config *config, struct problem *why)
{
    if (!json_is_array(value) || json_array_size(value) != 3) {
        problem_say(why, "lowmem_reserve_ratio", "lowmem_reserve_ratio must be a list of three numbers");
        return false;
    }
    for (size_t i = 0; i < 3; i++) {
        static const struct number_range RANGE = { "lowmem_reserve_ratio", 0, UINT32_MAX };
        uint64_t ratio;
        if (!size_decode(json_array_get(value, i), &RANGE, &ratio, why))
            return false;
        config->lowmem_reserve_ratio[i] = (uint32_t)ratio;
    }
    return true;
}

static bool cost_find(const char *name, unsigned *step)
{
    for (*step = 0; *step < NR_COST_STEPS; ++*step)
        if (strcmp(cost_info((enum cost_step) * step)->name, name) == 0)
            return true;
    return false;
}

static bool config_costs_decode(json_t *value, struct machine_config *config, struct problem *why)
{
    static const struct number_range RANGE = { "cost_ns", 1, COST_MAX_NS };
    const char *name;
    json_t *each;
    if (!json_is_object(value)) {
        problem_say(why, "cost_ns", "cost_ns must be an object of cost steps and nanoseconds");
        return false;
    }
    json_object_foreach(value, name, each)
    {
        unsigned step;
        uint64_t ns;
        if (!cost_find(name, &step)) {
            problem_say(why, "cost_ns", "there is no cost step \"%.60s\"", name);
            return false;
        }
        if (!size_decode(each, &RANGE, &ns, why))
            return false;
        config->cost_ns[step] = (uint32_t)ns;
    }
    return true;
}

static bool letters_decode(const json_t *value, const struct config_option *option, uint64_t *bits, struct problem *why)
{
    const char *text = json_string_value(value);
    *bits = 0;
    for (const char *c = text; c && *c; c++) {
        const char *letter = strchr(SLUB_DEBUG_LETTERS, *c);
        if (!letter) {
            problem_say(why, option->name, "%s takes letters of " SLUB_DEBUG_LETTERS, option->name);
            return false;
        }
        *bits |= UINT64_C(1) << (letter - SLUB_DEBUG_LETTERS);
    }
    if (!text)
        problem_say(why, option->name, "%s must be a text of the letters " SLUB_DEBUG_LETTERS, option->name);
    return text != NULL;
}

static bool word_decode(const json_t *value, const struct config_option *option, uint64_t *number, struct problem *why)
{
    const char *text = json_string_value(value);
    for (*number = 0; text && *number < NR_MACHINE_PASTS; ++*number)
        if (strcmp(text, MACHINE_WORDS[*number]) == 0)
            return true;
    problem_say(why, option->name, "%s must be \"%s\", \"%s\" or \"%s\"", option->name, MACHINE_WORDS[MACHINE_FRESH],
                MACHINE_WORDS[MACHINE_USED], MACHINE_WORDS[MACHINE_FRAGMENTED]);
    return false;
}

static bool config_option_decode(const json_t *value, const struct config_option *option, struct machine_config *config,
                                 struct problem *why)
{
    const struct number_range range = { option->name, option->min, option->max };
    uint64_t number;
    bool ok = option->type == CONFIG_LETTERS ? letters_decode(value, option, &number, why)
              : option->type == CONFIG_WORD  ? word_decode(value, option, &number, why)
                                             : size_decode(value, &range, &number, why);
    if (ok)
        config_set_value(config, option, number);
    return ok;
}

bool config_field_decode(const char *field, const json_t *value, struct machine_config *config, struct problem *why)
{
    if (strcmp(field, "profile") == 0)
        return profile_decode(value, config, why);
    if (strcmp(field, "boot") == 0)
        return boot_decode(value, config, why);
    if (strcmp(field, "lowmem_reserve_ratio") == 0)
        return ratios_decode(value, config, why);
    if (strcmp(field, "cost_ns") == 0)
        return config_costs_decode((json_t *)value, config, why);
    for (uint32_t i = 0; i < NR_CONFIG_OPTIONS; i++)
        if (strcmp(field, CONFIG_OPTIONS[i].name) == 0)
            return config_option_decode(value, &CONFIG_OPTIONS[i], config, why);
    problem_say(why, field, "there is no field \"%.40s\"", field);
    return false;
}

static void letters_encode(struct buffer *out, uint64_t bits)
{
    char text[sizeof SLUB_DEBUG_LETTERS] = "";
    size_t length = 0;
    for (unsigned i = 0; i < sizeof SLUB_DEBUG_LETTERS - 1; i++)
        if (bits >> i & 1)
            text[length++] = SLUB_DEBUG_LETTERS[i];
    put_text(out, text);
}

static void config_costs_encode(struct buffer *out, const struct machine_config *config)
{
    put_key(out, "cost_ns");
    put_open(out, '{');
    for (unsigned i = 0; i < NR_COST_STEPS; i++) {
        const struct cost_info *info = cost_info((enum cost_step)i);
        if (config->cost_ns[i] && config->cost_ns[i] != info->each_ns)
            put_field_u64(out, info->name, config->cost_ns[i]);
    }
    put_close(out, '}');
}

void config_encode_fields(struct buffer *out, const struct machine_config *config)
{
    put_field_text(out, "profile", profile_get((enum profile_id)config->profile)->name);
    for (uint32_t i = 0; i < NR_CONFIG_OPTIONS; i++) {
        const struct config_option *option = &CONFIG_OPTIONS[i];
        if (!(option->profiles >> config->profile & 1))
            continue;
        put_key(out, option->name);
        if (option->type == CONFIG_LETTERS)
            letters_encode(out, config_value(config, option));
        else if (option->type == CONFIG_WORD)
            put_text(out, MACHINE_WORDS[config_value(config, option)]);
        else
            put_u64(out, config_value(config, option));
    }
    if (IN_LINUX >> config->profile & 1) {
        put_field_array(out, "lowmem_reserve_ratio");
        for (unsigned i = 0; i < 3; i++)
            put_u64(out, config->lowmem_reserve_ratio[i]);
        put_close(out, ']');
    }
    config_costs_encode(out, config);
}

static void words_encode(struct buffer *out)
{
    put_field_array(out, "words");
    for (unsigned i = 0; i < NR_MACHINE_PASTS; i++)
        put_text(out, MACHINE_WORDS[i]);
    put_close(out, ']');
}

void config_table_encode(struct buffer *out)
{
    static const char *const TYPES[] = { "number", "size", "letters", "word" };
    put_field_array(out, "options");
    for (uint32_t i = 0; i < NR_CONFIG_OPTIONS; i++) {
        const struct config_option *option = &CONFIG_OPTIONS[i];
        put_open(out, '{');
        PUT_FIELD(out, option, name);
        put_field_text(out, "type", TYPES[option->type]);
        PUT_FIELD(out, option, min);
        PUT_FIELD(out, option, max);
        put_field_array(out, "profiles");
        for (unsigned id = 0; id < NR_PROFILES; id++)
            if (option->profiles >> id & 1)
                put_text(out, profile_get((enum profile_id)id)->name);
        put_close(out, ']');
        if (option->type == CONFIG_WORD)
            words_encode(out);
        PUT_FIELD(out, option, doc);
        put_close(out, '}');
    }
    put_close(out, ']');
}
