/*-------------------------------------------------------------------------
 *
 * test_uuid.c
 *	  Identifiers: RFC 9562.
 *
 * test/unit/test_uuid.c
 *
 *-------------------------------------------------------------------------
 */
#include "tap.h"

#include "proto/uuid.h"

int
main(void)
{
	/* the example of RFC 9562, appendix A.6 */
	static const uint8 example[] = {0x01, 0x7F, 0x22, 0xE2, 0x79, 0xB0, 0x7C, 0xC3,
	0x98, 0xC4, 0xDC, 0x0C, 0x0C, 0x07, 0x39, 0x8F};
	uint8		a[UUID_BYTES];
	uint8		b[UUID_BYTES];
	char	   *text = malloc(UUID_TEXT_LENGTH);
	int			wrong = 0;

	uuid_write(example, text);
	is_text(slice_make(text, UUID_TEXT_LENGTH), "017f22e2-79b0-7cc3-98c4-dc0c0c07398f", "spelling");
	free(text);

	for (int i = 0; i < 1000; i++)
	{
		if (!uuid_make_v7(a, INT64CONST(0x017F22E279B0)) || !uuid_make_v7(b, INT64CONST(0x017F22E279B1)))
			wrong++;
		else if (memcmp(a, example, 6) != 0 || (a[6] & 0xF0) != 0x70 || (a[8] & 0xC0) != 0x80 ||
				 memcmp(a, b, UUID_BYTES) >= 0)
			wrong++;
	}
	is_int(wrong, 0, "time, version and variant; later ones are greater");
	return done_testing();
}
