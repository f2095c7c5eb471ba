/*
 * The profiles. To read one: paragraph, what it asks in our words, the check, its argument, what
 * mends a gap. Rows that the rule book does not ask for by itself, but without which the others
 * mean less, say "good practice". docs/compliance.md says what no check can see.
 */
#include <stddef.h>
#include <string.h>

#include "tools/comply.h"

/* The bounds that steled has by itself: 72 hours for a gap, 14 days for a year. */
static const char credit[] = "259200,1209600";

static const char fix_approvers[] =
	"stele principal create --kind person --grant 'approve:*' --token, and 72 hours";
static const char fix_backup[] = "stele backup DIR --keyring FILE --passphrase-file FILE";
static const char fix_clock[] =
	"stele clock show, then stele clock confirm or stele clock credit; --clock-credit S and "
	"--clock-credit-year S of steled";
static const char fix_default[] = "stele policy set LOG --retain ARG";
static const char fix_dual[] = "stele dual-control set ARG";
static const char fix_holds[] = "stele principal create --kind person --grant 'hold:*' --token";
static const char fix_locks[] = "stele policy set LOG --mode governance";
static const char fix_origin[] = "start anew with steled --origin NAME --data NEWDIR";
static const char fix_private[] = "stele policy set LOG --private";
static const char fix_scrub[] = "stele scrub --wait";
static const char fix_sealed[] = "start anew with steled --passphrase-file FILE --data NEWDIR";
static const char fix_shortest[] = "stele policy set LOG --min ARG";
static const char fix_storage[] =
	"stele segment restore LOG FILE, from a backup; steled's log says which";
static const char fix_trail[] = "stele policy set LOG --retain ARG: they follow the longest one";
static const char fix_transport[] = "start steled with --tls-cert FILE --tls-key FILE";

/* --- SEC 17a-4(f): 17 CFR 240.17a-4, as amended in 2022 ------------------------------------ */

static const struct comply_row sec_log[] = {
	{"17a-4(a),(b)", "default period", comply_default, NULL, fix_default},
	{"17a-4(a),(b)", "shortest period", comply_shortest, NULL, fix_shortest},
	{"17a-4(f)(2)(i)(B)", "bounds", comply_bounds, NULL,
	 "stele policy set LOG --max D --quota-bytes N"},
	{"17a-4(f)(2)(i)(B)", "compliance mode", comply_mode_compliance, NULL,
	 "stele policy lock LOG"},
	{NULL},
};

static const struct comply_row sec_server[] = {
	{"17a-4(f)(2)(i)(B)", "name", comply_origin, NULL, fix_origin},
	{"17a-4(f)(2)(i)(B)", "clocks", comply_clock, credit, fix_clock},
	{"17a-4(f)(2)(ii)", "storage", comply_storage, NULL, fix_storage},
	{"17a-4(f)(2)(ii)", "scrub", comply_scrub, "14", fix_scrub},
	{"17a-4(f)(2)(v)", "backup", comply_backup, "7", fix_backup},
	{"17a-4(f)(3)(iii)", "audit trail", comply_trail, NULL, fix_trail},
	{"good practice", "dual control", comply_dual,
	 "policy.change,hold.release,principal.create,principal.change", fix_dual},
	{"good practice", "approvers", comply_approvers, "2", fix_approvers},
	{"good practice", "legal holds", comply_holds, NULL, fix_holds},
	{"good practice", "key files", comply_sealed, NULL, fix_sealed},
	{"good practice", "transport", comply_transport, NULL, fix_transport},
	{NULL},
};

static const struct comply_profile sec17a4 = {
	.name = "sec17a4",
	.title = "SEC 17 CFR 240.17a-4(f), write once",
	.period = "6y", /* (a); (b) asks for three */
	.log = sec_log,
	.server = sec_server,
};

/* --- HIPAA: 45 CFR 164.308 to 164.316 ------------------------------------------------------- */

static const struct comply_row hipaa_log[] = {
	{"164.312(c)(1)", "mode", comply_mode_locks, NULL, fix_locks},
	{"164.316(b)(2)(i)", "default period", comply_default, NULL, fix_default},
	{"164.316(b)(2)(i)", "shortest period", comply_shortest, NULL, fix_shortest},
	{"164.312(a)(1)", "not public", comply_private, NULL, fix_private},
	{NULL},
};

static const struct comply_row hipaa_server[] = {
	{"164.312(c)(2)", "name", comply_origin, NULL, fix_origin},
	{"164.312(b)", "clocks", comply_clock, credit, fix_clock},
	{"164.312(c)(2)", "storage", comply_storage, NULL, fix_storage},
	{"164.312(c)(2)", "scrub", comply_scrub, "14", fix_scrub},
	{"164.308(a)(7)(ii)(A)", "backup", comply_backup, "7", fix_backup},
	{"164.312(b)", "audit trail", comply_trail, NULL, fix_trail},
	{"164.308(a)(4)(ii)(C)", "dual control", comply_dual,
	 "policy.change,principal.create,principal.change", fix_dual},
	{"164.308(a)(4)(ii)(C)", "approvers", comply_approvers, "2", fix_approvers},
	{"good practice", "legal holds", comply_holds, NULL, fix_holds},
	{"164.312(a)(2)(iv)", "key files", comply_sealed, NULL, fix_sealed},
	{"164.312(e)(1)", "transport", comply_transport, NULL, fix_transport},
	{NULL},
};

static const struct comply_profile hipaa = {
	.name = "hipaa",
	.title = "HIPAA Security Rule, 45 CFR 164",
	.period = "6y", /* 164.316(b)(2)(i) */
	.log = hipaa_log,
	.server = hipaa_server,
};

/* --- PCI DSS v4.0.1, requirement 10 ---------------------------------------------------------- */

static const struct comply_row pci_log[] = {
	{"10.3.2", "mode", comply_mode_locks, NULL, fix_locks},
	{"10.5.1", "default period", comply_default, NULL, fix_default},
	{"10.5.1", "shortest period", comply_shortest, NULL, fix_shortest},
	{"10.3.1", "not public", comply_private, NULL, fix_private},
	{NULL},
};

static const struct comply_row pci_server[] = {
	{"10.3.4", "name", comply_origin, NULL, fix_origin},
	{"10.6", "clocks", comply_clock, credit, fix_clock},
	{"10.3.4", "storage", comply_storage, NULL, fix_storage},
	{"10.3.4", "scrub", comply_scrub, "14", fix_scrub},
	{"10.3.3", "backup", comply_backup, "1", fix_backup},
	{"10.2.1.3", "audit trail", comply_trail, NULL, fix_trail},
	{"10.3.2", "dual control", comply_dual, "policy.change,principal.create,principal.change",
	 fix_dual},
	{"10.3.2", "approvers", comply_approvers, "2", fix_approvers},
	{"good practice", "legal holds", comply_holds, NULL, fix_holds},
	{"10.3.1", "key files", comply_sealed, NULL, fix_sealed},
	{"8.3.2", "transport", comply_transport, NULL, fix_transport},
	{NULL},
};

static const struct comply_profile pci = {
	.name = "pci",
	.title = "PCI DSS v4.0.1, requirement 10",
	.period = "1y", /* 10.5.1 */
	.log = pci_log,
	.server = pci_server,
};

const struct comply_profile *const comply_profiles[] = {&sec17a4, &hipaa, &pci, NULL};

const struct comply_profile *
comply_find(const char *name)
{
	for (size_t i = 0; comply_profiles[i]; i++)
		if (strcmp(comply_profiles[i]->name, name) == 0)
			return comply_profiles[i];
	return NULL;
}
