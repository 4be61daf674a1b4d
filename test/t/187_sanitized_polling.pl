# Long polling, the good and the bad, with programs under ASan and UBSan.

use strict;
use warnings;

use SanitizedPrograms;

SanitizedPrograms::again('121_polling.pl');
