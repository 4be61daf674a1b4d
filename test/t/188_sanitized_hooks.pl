# Webhooks to good and forbidden addresses, with a courier under ASan and UBSan.

use strict;
use warnings;

use SanitizedPrograms;

SanitizedPrograms::again('124_webhook_addresses.pl');
