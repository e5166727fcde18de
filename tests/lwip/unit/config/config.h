/* lwip_check.h includes the <config.h> that autoconf would make; nothing of it is used. */
