/* server/store/sqlite/chain.c - see chain.h.
 *
 * An operation is hashed as numbers of variable length: what it is, what came of it, which parameters were given, and each
 * of those in the order of the table of parameters; a text or data as its length and its bytes. The same bytes come only
 * from the same operation. Kinds, outcomes and parameters keep their numbers for ever, as the store does. */
#include "server/store/sqlite/chain.h"

#include <string.h>

#define SHORT_BYTES 256u                                    /* longer texts are not copied */
#define SPELL_BYTES (10u * 40u + NR_OP_TEXTS * SHORT_BYTES) /* an operation without those */

static void chain_start(struct chain *chain, const char *domain, size_t nr_bytes)
{
    crypto_generichash_init(&chain->state, (const unsigned char *)domain, nr_bytes, sizeof(struct chain_value));
}
#define CHAIN_START(chain, domain) chain_start(chain, domain, sizeof domain - 1)

void chain_origin(const void *config, size_t nr_bytes, struct chain_value *value)
{
    struct chain chain;
    CHAIN_START(&chain, "pagoda.configuration");
    crypto_generichash_update(&chain.state, config, nr_bytes);
    crypto_generichash_final(&chain.state, value->bytes, sizeof value->bytes);
}

void chain_begin(struct chain *chain, const struct chain_value *before)
{
    CHAIN_START(chain, "pagoda.operations");
    crypto_generichash_update(&chain->state, before->bytes, sizeof before->bytes);
}

/* Seven bits a byte, the lowest first; the highest bit says that more follow. */
static unsigned char *spell_number(unsigned char *out, uint64_t number)
{
    for (; number > 0x7f; number >>= 7)
        *out++ = (unsigned char)(number | 0x80);
    *out++ = (unsigned char)number;
    return out;
}

struct spelling {
    struct chain *chain;
    unsigned char *end;
    unsigned char bytes[SPELL_BYTES];
};

static void spell_bytes(struct spelling *s, const void *bytes, uint32_t nr_bytes)
{
    s->end = spell_number(s->end, nr_bytes);
    if (nr_bytes > SHORT_BYTES) {
        crypto_generichash_update(&s->chain->state, s->bytes, (size_t)(s->end - s->bytes));
        crypto_generichash_update(&s->chain->state, bytes, nr_bytes);
        s->end = s->bytes;
    } else if (nr_bytes) {
        memcpy(s->end, bytes, nr_bytes);
        s->end += nr_bytes;
    }
}

static void spell_param(struct spelling *s, const struct op *op, enum op_param_id id)
{
    enum op_param_type type = op_param_info(id)->type;
    struct text text;
    if (type == TYPE_TEXT) {
        text = op_text(op, id);
        spell_bytes(s, text.start, text.length);
    } else if (type == TYPE_HEX) {
        spell_bytes(s, op->data, op->nr_data);
    } else {
        s->end = spell_number(s->end, op_number(op, id));
    }
}

void chain_add(struct chain *chain, const struct log_entry *entry)
{
    const uint64_t first[] = { (uint64_t)entry->op.kind, (uint64_t)entry->outcome, entry->op.given, entry->address,
                               entry->allocated,         entry->cost_ns,           entry->slept_ns };
    struct spelling s;
    s.chain = chain;
    s.end = s.bytes;
    for (size_t i = 0; i < sizeof first / sizeof first[0]; i++)
        s.end = spell_number(s.end, first[i]);
    for (uint32_t left = entry->op.given; left; left &= left - 1)
        spell_param(&s, &entry->op, (enum op_param_id)__builtin_ctz(left));
    crypto_generichash_update(&chain->state, s.bytes, (size_t)(s.end - s.bytes));
}

struct chain_value chain_read(const struct chain *chain)
{
    struct chain copy = *chain;
    struct chain_value value;
    crypto_generichash_final(&copy.state, value.bytes, sizeof value.bytes);
    return value;
}

bool chain_is_equal(const struct chain_value *a, const struct chain_value *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}
