/* The admin area for host tests: none, or one page, POST /_/take, that wants the request's body. */
#ifndef TESTS_FAKE_ADMIN_H
#define TESTS_FAKE_ADMIN_H

#include <stdbool.h>

extern bool fake_admin_takes;
extern unsigned fake_admin_whole; /* bodies that came whole */
extern unsigned fake_admin_gone;  /* requests whose body never was */
extern char fake_admin_body[256]; /* the last one, terminated */

#endif
