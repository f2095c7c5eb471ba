/*
 * The vendor paths: where programs that speak a protocol of their own send events, each with an
 * adapter (res_NAME.c) in front of server/intake.h. A token may be made for some of them alone.
 */
#ifndef STELE_SERVER_VENDOR_H
#define STELE_SERVER_VENDOR_H

#include "proto/slice.h"

enum vendor {
	VENDOR_K8S = 1 << 0, /* audit events of a Kubernetes API server */
	VENDOR_ALL = (1 << 1) - 1,
};

enum { VENDORS = 1 };

#define VENDOR_NAMES "k8s"

/* The name of vendor path number i < VENDORS, whose bit is 1 << i; static storage. */
const char *vendor_name(unsigned i);

/* The bit of the one with that name, or 0. */
unsigned vendor_parse(struct slice name);

#endif
