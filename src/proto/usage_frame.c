/*-------------------------------------------------------------------------
 *
 * usage_frame.c
 *	  What gateways tell each other of limits that hold for all of them.
 *
 * src/proto/usage_frame.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/usage_frame.h"

/*
 * Take a body apart.
 */
bool
usage_decode(Slice body, BusUsage *usage)
{
	if (body.len != sizeof(*usage))
		return false;
	memcpy(usage, body.data, sizeof(*usage));
	return true;
}
