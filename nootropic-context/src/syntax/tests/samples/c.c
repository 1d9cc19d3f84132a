#include <stdio.h>
#include "session.h"

#define LIMIT 16
#define MAX(a, b) ((a) > (b) ? (a) : (b))

/* One session. */
typedef struct session {
    int id;
    struct pool *pool;
} session_t;

struct pool {
    size_t size;
};

enum state { OPEN, CLOSED };

union value {
    int i;
    float f;
};

typedef int (*handler_t)(session_t *s);

static const char *const name = "sessions";

int session_close(session_t *s);

// Opens one.
static session_t *session_open(int id)
{
    session_t *s = pool_alloc(id);
    return s;
}

#ifdef DEBUG
void dump(void)
{
    printf("%d\n", LIMIT);
}
#endif
