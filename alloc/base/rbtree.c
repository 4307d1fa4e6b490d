/* Red-black trees. Four rules hold between operations:
 *  - the root is black;
 *  - a red node has no red child;
 *  - every way down meets equally many black nodes;
 *  - max is the largest size of the subtree.
 *
 * Left and right are mirror images. A side is a bool here, so each case is written once. A rotation recomputes max of the
 * two nodes that it turns. Above them max is right already, or rb_carry_up() puts it right.
 *
 *          node                  riser
 *          /   \                 /   \
 *         a   riser    ->     node    c         rotate(node, left)
 *             /   \           /  \
 *            b     c         a    b */
#include "alloc/base/rbtree.h"

static uint32_t rb_child(const struct pool *pool, uint32_t node, bool left)
{
    return left ? rb_at(pool, node)->left : rb_at(pool, node)->right;
}
static void rb_set_child(const struct pool *pool, uint32_t node, bool left, uint32_t to)
{
    if (left)
        rb_at(pool, node)->left = to;
    else
        rb_at(pool, node)->right = to;
    if (to)
        rb_at(pool, to)->parent = node;
}
static bool rb_is_red(const struct pool *pool, uint32_t node)
{
    return node && rb_at(pool, node)->is_red;
}
static void rb_set_red(const struct pool *pool, uint32_t node, bool red)
{
    rb_at(pool, node)->is_red = red;
}

static uint64_t rb_max_of(const struct pool *pool, uint32_t node)
{
    uint64_t max = rb_at(pool, node)->size;
    uint64_t left = rb_max(pool, rb_at(pool, node)->left);
    uint64_t right = rb_max(pool, rb_at(pool, node)->right);
    max = left > max ? left : max;
    return right > max ? right : max;
}

/* Recomputes max from node upwards, as far as something changes. */
static void rb_carry_up(const struct pool *pool, uint32_t node)
{
    for (; node; node = rb_at(pool, node)->parent) {
        uint64_t max = rb_max_of(pool, node);
        if (rb_at(pool, node)->max == max)
            return;
        rb_at(pool, node)->max = max;
    }
}

/* Hangs `to` where node hangs. to: 0 is nothing. */
static void rb_replace(const struct pool *pool, uint32_t *root, uint32_t node, uint32_t to)
{
    uint32_t parent = rb_at(pool, node)->parent;
    if (parent)
        rb_set_child(pool, parent, rb_at(pool, parent)->left == node, to);
    else
        *root = to;
    if (to)
        rb_at(pool, to)->parent = parent;
}

/* The child on the other side rises into node's place. Node sinks to the given side. */
static void rb_rotate(const struct pool *pool, uint32_t *root, uint32_t node, bool left)
{
    uint32_t riser = rb_child(pool, node, !left);
    rb_replace(pool, root, node, riser);
    rb_set_child(pool, node, !left, rb_child(pool, riser, left));
    rb_set_child(pool, riser, left, node);
    rb_at(pool, node)->max = rb_max_of(pool, node);
    rb_at(pool, riser)->max = rb_max_of(pool, riser);
}

static void rb_balance_after_insert(const struct pool *pool, uint32_t *root, uint32_t node)
{
    for (;;) {
        uint32_t parent = rb_at(pool, node)->parent;
        if (!rb_is_red(pool, parent))
            break;
        uint32_t grandparent = rb_at(pool, parent)->parent; /* is there: a red node is not the root */
        bool left = rb_at(pool, grandparent)->left == parent;
        uint32_t uncle = rb_child(pool, grandparent, !left);
        if (rb_is_red(pool, uncle)) {
            rb_set_red(pool, uncle, false);
            rb_set_red(pool, parent, false);
            rb_set_red(pool, grandparent, true);
            node = grandparent;
            continue;
        }
        if (rb_child(pool, parent, !left) == node) { /* an inner grandchild: turn it into an outer one */
            rb_rotate(pool, root, parent, left);
            parent = node;
        }
        rb_set_red(pool, parent, false);
        rb_set_red(pool, grandparent, true);
        rb_rotate(pool, root, grandparent, !left);
        break;
    }
    rb_set_red(pool, *root, false);
}

void rb_insert(const struct pool *pool, uint32_t *root, uint32_t node, uint32_t parent, bool is_left)
{
    struct rb_node *item = rb_at(pool, node);
    item->left = item->right = 0;
    item->parent = parent;
    item->is_red = true;
    item->max = item->size;
    if (parent)
        rb_set_child(pool, parent, is_left, node);
    else
        *root = node;
    rb_carry_up(pool, parent);
    rb_balance_after_insert(pool, root, node);
}

/* On every way through the given side of parent one black node is missing. */
static void rb_balance_after_erase(const struct pool *pool, uint32_t *root, uint32_t parent, bool left)
{
    for (;;) {
        uint32_t sibling = rb_child(pool, parent, !left);
        if (rb_is_red(pool, sibling)) {
            rb_set_red(pool, sibling, false);
            rb_set_red(pool, parent, true);
            rb_rotate(pool, root, parent, left);
            sibling = rb_child(pool, parent, !left);
        }
        uint32_t outer = rb_child(pool, sibling, !left), inner = rb_child(pool, sibling, left);
        if (!rb_is_red(pool, outer) && !rb_is_red(pool, inner)) {
            rb_set_red(pool, sibling, true); /* now one is missing on the sibling's side, too: go on above */
            uint32_t above = rb_at(pool, parent)->parent;
            if (rb_is_red(pool, parent) || !above) {
                rb_set_red(pool, parent, false);
                return;
            }
            left = rb_at(pool, above)->left == parent;
            parent = above;
            continue;
        }
        if (!rb_is_red(pool, outer)) {
            rb_set_red(pool, inner, false);
            rb_set_red(pool, sibling, true);
            rb_rotate(pool, root, sibling, !left);
            outer = sibling;
            sibling = inner;
        }
        rb_set_red(pool, sibling, rb_is_red(pool, parent));
        rb_set_red(pool, parent, false);
        rb_set_red(pool, outer, false);
        rb_rotate(pool, root, parent, left);
        return;
    }
}

/* The next node in order takes the place and the colour of a node with two children. Returns the lowest node whose subtree
 * has changed.
 * left  out: its side that has changed. */
static uint32_t rb_replace_by_next(const struct pool *pool, uint32_t *root, uint32_t node, bool *left)
{
    uint32_t next = rb_first(pool, rb_at(pool, node)->right);
    uint32_t changed = rb_at(pool, next)->parent;
    *left = changed != node;
    if (changed == node) {
        changed = next;
    } else {
        rb_set_child(pool, changed, true, rb_at(pool, next)->right);
        rb_set_child(pool, next, false, rb_at(pool, node)->right);
    }
    rb_replace(pool, root, node, next);
    rb_set_child(pool, next, true, rb_at(pool, node)->left);
    rb_set_red(pool, next, rb_at(pool, node)->is_red);
    return changed;
}

/* Puts the maxima right after an erase, in two parts. The first goes from the lowest node whose subtree has changed up to
 * the node that moved. The second goes from there to the root. Each part ends where nothing changes; a max that is right
 * below the moved node says nothing of those above. */
static void rb_carry_up_past(const struct pool *pool, uint32_t node, uint32_t moved)
{
    for (uint32_t at = node; at && at != moved; at = rb_at(pool, at)->parent) {
        uint64_t max = rb_max_of(pool, at);
        if (rb_at(pool, at)->max == max)
            break;
        rb_at(pool, at)->max = max;
    }
    rb_carry_up(pool, moved);
}

void rb_erase(const struct pool *pool, uint32_t *root, uint32_t node)
{
    const struct rb_node *item = rb_at(pool, node);
    uint32_t changed = item->parent, only = item->left ? item->left : item->right;
    bool left = changed && rb_at(pool, changed)->left == node;
    bool lost_black = !item->is_red;
    if (item->left && item->right) {
        uint32_t next = rb_first(pool, item->right);
        lost_black = !rb_is_red(pool, next);
        changed = rb_replace_by_next(pool, root, node, &left);
        rb_at(pool, next)->max = item->max;
        only = rb_child(pool, changed, left);
        rb_carry_up_past(pool, changed, next);
    } else {
        rb_replace(pool, root, node, only);
        rb_carry_up(pool, changed);
    }
    if (lost_black && only)
        rb_set_red(pool, only, false); /* an only child is red, and makes up for it */
    else if (lost_black && changed)
        rb_balance_after_erase(pool, root, changed, left);
}

void rb_resize(const struct pool *pool, uint32_t node, uint64_t size)
{
    rb_at(pool, node)->size = size;
    rb_carry_up(pool, node);
}

uint32_t rb_unhook_first(const struct pool *pool, uint32_t node)
{
    uint32_t right = rb_at(pool, node)->right, parent = rb_at(pool, node)->parent;
    if (right)
        rb_at(pool, right)->parent = parent;
    if (parent)
        rb_at(pool, parent)->left = right;
    return right ? rb_first(pool, right) : parent;
}

uint32_t rb_first(const struct pool *pool, uint32_t root)
{
    while (root && rb_at(pool, root)->left)
        root = rb_at(pool, root)->left;
    return root;
}

uint32_t rb_next(const struct pool *pool, uint32_t node)
{
    if (rb_at(pool, node)->right)
        return rb_first(pool, rb_at(pool, node)->right);
    uint32_t parent = rb_at(pool, node)->parent;
    for (; parent && rb_at(pool, parent)->right == node; parent = rb_at(pool, node)->parent)
        node = parent;
    return parent;
}

/* Black nodes on every way down from node; -1: a rule is broken. */
#define RB_HEIGHT_MAX 64u /* twice the bits of a number of nodes: no tree that is balanced is higher */

static int rb_check_below(const struct pool *pool, uint32_t node, uint32_t parent, uint32_t height, uint64_t *nr_nodes)
{
    if (!node)
        return 0;
    const struct rb_node *item = rb_at(pool, node);
    if (height > RB_HEIGHT_MAX || (item->left && item->left == item->right))
        return -1;
    ++*nr_nodes;
    if (item->parent != parent || item->max != rb_max_of(pool, node))
        return -1;
    if (item->is_red && (!parent || rb_is_red(pool, parent)))
        return -1;
    int left = rb_check_below(pool, item->left, node, height + 1, nr_nodes);
    int right = left < 0 ? -1 : rb_check_below(pool, item->right, node, height + 1, nr_nodes);
    return left < 0 || left != right ? -1 : left + !item->is_red;
}

bool rb_check(const struct pool *pool, uint32_t root, uint64_t *nr_nodes)
{
    *nr_nodes = 0;
    return rb_check_below(pool, root, 0, 0, nr_nodes) >= 0;
}
