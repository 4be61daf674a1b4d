# Clients that break every rule of the conversation, with programs under ASan and
# UBSan.

use strict;
use warnings;

use SanitizedPrograms;

SanitizedPrograms::again('088_bad_talk.pl');
