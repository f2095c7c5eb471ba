/* The schemas that come with stele, on events as their producers' documents show them. */
#include "proto/schema.h"

#include "tests/unit/query_case.h"
#include "tests/unit/shared.h"
#include "tests/unit/suite.h"

static struct query_case q;

static void
set_up(void)
{
	query_case_init(&q);
	ck_assert_int_eq(schema_builtin(&q.set, &q.arena), 0);
}

/* The payload has that schema, and every filter (one after the other) matches. */
static void
assert_reads(const char *schema, const char *payload, const char *const *filters)
{
	struct match_result result = query_case_run(&q, "", slice_str(payload));

	ck_assert_msg(result.schema == schema_find(&q.set, slice_str(schema)), "%s: %d", schema,
		      result.schema);
	for (; *filters; filters++)
		ASSERT_VERDICT(&q, 'y', *filters, payload);
}

#define FILTERS(...) ((const char *const[]){__VA_ARGS__, NULL})

START_TEST(kubernetes_audit)
{
	set_up();
	assert_reads(
		"kubernetes-audit",
		"{\"kind\":\"Event\",\"apiVersion\":\"audit.k8s.io/v1\",\"level\":\"Metadata\",\"auditID\":\"a-1\","
		"\"stage\":\"ResponseComplete\",\"requestURI\":\"/api/v1/secrets/s\",\"verb\":\"delete\",\"user\":{"
		"\"username\":\"alice\",\"groups\":[\"g\"]},\"impersonatedUser\":{\"username\":\"bob\"},"
		"\"sourceIPs\":[\"10.0.0.1\",\"192.168.99.1\"],\"objectRef\":{\"resource\":\"secrets\","
		"\"namespace\":\"prod\",\"name\":\"s\"},\"responseStatus\":{\"code\":403},"
		"\"requestReceivedTimestamp\":\"2026-01-02T03:04:05.000001Z\","
		"\"stageTimestamp\":\"2026-01-02T03:04:06Z\"}",
		FILTERS("actor = alice AND actor = bob", "action = delete", "outcome = failure",
			"resource = secrets AND resource = prod", "event_id = a-1",
			"source_ip = 192.168.0.0/16", "time = 2026-01-02T03:04:05.000001Z"));
	query_case_fini(&q);
}
END_TEST

START_TEST(cloudtrail)
{
	set_up();
	assert_reads(
		"cloudtrail",
		"{\"eventVersion\":\"1.08\",\"userIdentity\":{\"type\":\"IAMUser\",\"arn\":\"arn:aws:iam::1:user/alice\","
		"\"userName\":\"alice\"},\"eventTime\":\"2026-01-02T03:04:05Z\",\"eventSource\":\"s3.amazonaws.com\","
		"\"eventName\":\"GetObject\",\"sourceIPAddress\":\"203.0.113.5\",\"errorCode\":\"AccessDenied\","
		"\"requestParameters\":{\"bucketName\":\"secrets\",\"key\":\"k\"},\"requestID\":\"R\",\"eventID\":\"E\","
		"\"eventType\":\"AwsApiCall\"}",
		FILTERS("actor = alice", "actor = \"arn:aws:iam::1:user/alice\"",
			"action = GetObject", "outcome = failure", "resource = secrets",
			"trace_id = R", "event_id = E", "event_type = AwsApiCall",
			"time = 2026-01-02T03:04:05Z"));
	assert_reads(
		"cloudtrail",
		"{\"eventVersion\":\"1.08\",\"eventSource\":\"signin.amazonaws.com\",\"eventName\":\"ConsoleLogin\","
		"\"responseElements\":{\"ConsoleLogin\":\"Failure\"}}",
		FILTERS("outcome = failure"));
	assert_reads("cloudtrail",
		     "{\"eventVersion\":\"1\",\"eventSource\":\"x\",\"eventName\":\"y\"}",
		     FILTERS("outcome = success"));
	query_case_fini(&q);
}
END_TEST

START_TEST(gitlab_audit)
{
	set_up();
	assert_reads(
		"gitlab-audit",
		"{\"id\":\"g-1\",\"author_id\":-3,\"entity_id\":29,\"entity_type\":\"Project\",\"details\":{"
		"\"author_name\":\"deploy-key\",\"custom_message\":{\"protocol\":\"ssh\",\"action\":\"git-receive-pack\"},"
		"\"ip_address\":\"127.0.0.1\"},\"ip_address\":\"127.0.0.1\",\"author_name\":\"deploy-key\","
		"\"entity_path\":\"group/project\",\"target_details\":\"project\","
		"\"created_at\":\"2026-01-02T03:04:05.662Z\",\"event_type\":\"repository_git_operation\"}",
		FILTERS("actor = deploy-key AND actor = -3", "action = git-receive-pack",
			"resource = \"group/project\"", "source_ip = 127.0.0.1", "event_id = g-1",
			"event_type = repository_git_operation",
			"time = 2026-01-02T03:04:05.662Z"));
	query_case_fini(&q);
}
END_TEST

START_TEST(ocsf)
{
	set_up();
	assert_reads(
		"ocsf",
		"{\"class_uid\":6003,\"class_name\":\"API Activity\",\"category_uid\":6,\"activity_name\":\"Read\","
		"\"time\":1767323045000,\"metadata\":{\"version\":\"1.1.0\",\"uid\":\"m-1\",\"correlation_uid\":\"c\"},"
		"\"actor\":{\"user\":{\"name\":\"alice\",\"uid\":\"42\"}},\"api\":{\"operation\":\"GetSecret\"},"
		"\"resources\":[{\"uid\":\"r-1\"},{\"name\":\"n\"}],\"src_endpoint\":{\"ip\":\"10.0.0.1\"},"
		"\"status_id\":2,\"severity_id\":1,\"severity\":\"Informational\"}",
		FILTERS("actor = alice AND actor = 42", "action = GetSecret", "outcome = failure",
			"resource = r-1 AND resource = n", "source_ip = 10.0.0.1", "event_id = m-1",
			"event_type = 6003", "severity = 1 AND severity = Informational",
			"time = 2026-01-02T03:04:05Z"));
	query_case_fini(&q);
}
END_TEST

START_TEST(windows_events)
{
	set_up();
	assert_reads(
		"windows-event",
		"{\"EventID\":4624,\"Channel\":\"Security\",\"EventType\":\"AUDIT_SUCCESS\",\"SubjectUserName\":\"-\","
		"\"SubjectUserSid\":\"S-1-0-0\",\"TargetUserName\":\"alice\",\"IpAddress\":\"fe80::1\",\"RecordNumber\":780319,"
		"\"Category\":\"Logon\",\"Severity\":\"INFO\",\"@timestamp\":\"2020-09-20T00:00:00.000Z\","
		"\"EventTime\":\"2020-09-19 20:00:00\",\"Hostname\":\"dc\"}",
		FILTERS("actor = alice", "action = 4624 AND action = Logon", "outcome = success",
			"event_type = Security", "event_id = 780319", "source_ip = fe80::/10",
			"severity = INFO", "time = 2020-09-20"));
	assert_reads(
		"windows-event",
		"{\"Event\":{\"System\":{\"EventID\":4625,\"Keywords\":\"0x8010000000000000\",\"EventRecordID\":7,"
		"\"TimeCreated\":{\"#attributes\":{\"SystemTime\":\"2020-09-20T00:00:00Z\"}}},"
		"\"EventData\":{\"SubjectUserName\":\"-\",\"TargetUserName\":\"bob\",\"IpAddress\":\"10.0.0.1\"}}}",
		FILTERS("actor = bob", "action = 4625", "outcome = failure", "event_id = 7",
			"source_ip = 10.0.0.1", "time = 2020-09-20"));
	query_case_fini(&q);
}
END_TEST

START_TEST(cloudevents_ecs_and_syslog)
{
	set_up();
	assert_reads(
		"cloudevents",
		"{\"specversion\":\"1.0\",\"id\":\"e-1\",\"source\":\"/shop\",\"type\":\"order.deleted\",\"subject\":\"o-7\","
		"\"time\":\"2026-01-02T03:04:05Z\",\"data\":{\"actor\":{\"id\":\"alice\"},\"outcome\":\"success\"}}",
		FILTERS("actor = alice", "action = order.deleted", "resource = o-7",
			"event_id = e-1", "outcome = success", "time = 2026-01-02T03:04:05Z"));
	assert_reads(
		"ecs",
		"{\"@timestamp\":\"2026-01-02T03:04:05Z\",\"ecs\":{\"version\":\"8.0\"},\"event\":{\"action\":\"login\","
		"\"outcome\":\"failure\",\"category\":[\"authentication\"],\"id\":\"x\"},\"user\":{\"name\":\"alice\"},"
		"\"source\":{\"ip\":\"10.0.0.1\"},\"trace\":{\"id\":\"t\"},\"log\":{\"level\":\"warn\"}}",
		FILTERS("actor = alice", "action = login", "outcome = failure",
			"source_ip = 10.0.0.1", "trace_id = t", "event_type = authentication",
			"severity = warn"));
	assert_reads(
		"ecs",
		"{\"@timestamp\":\"2026-01-02T03:04:05Z\",\"ecs.version\":\"1.2.0\",\"log.level\":\"INFO\","
		"\"user.name\":\"alice\"}",
		FILTERS("actor = alice", "severity = INFO"));
	assert_reads(
		"syslog",
		"{\"timestamp\":\"2026-01-02T03:04:05Z\",\"hostname\":\"h\",\"appname\":\"sshd\",\"severity\":\"notice\","
		"\"message\":\"Accepted\",\"msgid\":\"-\"}",
		FILTERS("event_type = sshd", "severity = notice", "resource = h", "NOT action:*",
			"time = 2026-01-02T03:04:05Z"));
	assert_reads(
		"syslog",
		"{\"__REALTIME_TIMESTAMP\":\"1767323045000001\",\"_HOSTNAME\":\"h\",\"SYSLOG_IDENTIFIER\":\"sudo\","
		"\"MESSAGE\":\"x\",\"PRIORITY\":\"5\",\"_UID\":\"0\"}",
		FILTERS("event_type = sudo", "severity = 5", "actor = 0",
			"time = 2026-01-02T03:04:05.000001Z"));
	query_case_fini(&q);
}
END_TEST

START_TEST(the_first_that_fits_is_the_records)
{
	set_up();
	assert_reads(
		"cloudtrail",
		"{\"eventVersion\":\"1\",\"eventSource\":\"x\",\"eventName\":\"y\",\"message\":\"m\","
		"\"host\":\"h\",\"program\":\"p\",\"@timestamp\":\"2026-01-02\",\"ecs\":{\"version\":\"8\"}}",
		FILTERS("action = y"));
	query_case_fini(&q);
}
END_TEST

START_TEST(what_is_no_event_has_no_schema)
{
	static const char *const none[] = {"{}",
					   "[]",
					   "1",
					   "{\"kind\":0}",
					   "{\"message\":\"x\"}",
					   "{\"id\":1,\"type\":2,\"source\":3}"};

	set_up();
	for (size_t i = 0; i < sizeof none / sizeof *none; i++)
		ck_assert_msg(query_case_run(&q, "", slice_str(none[i])).schema == -1, "%s",
			      none[i]);
	query_case_fini(&q);
}
END_TEST

/* Lines of a file that have that schema, and how many lines there are. */
static void
count(FILE *f, const char *schema, const char *filter, size_t *fits, size_t *n)
{
	int wanted = schema_find(&q.set, slice_str(schema));
	char *line = NULL;
	size_t cap = 0;
	ssize_t got;

	*fits = *n = 0;
	while ((got = getline(&line, &cap, f)) > 1) {
		struct match_result r = query_case_run(&q, filter, slice_of(line, (size_t)got - 1));
		*fits += r.schema == wanted && r.verdict == MATCH_YES;
		++*n;
	}
	free(line);
	fclose(f);
}

START_TEST(real_events_have_their_fields)
{
	FILE *f = shared_open("data/cloudtrail.ndjson");
	size_t fits, n;

	set_up();
	if (f) {
		count(f, "cloudtrail",
		      "actor:* AND action:* AND resource:* AND outcome:* AND "
		      "event_id:* AND source_ip:* AND time < 2021-01-01",
		      &fits, &n);
		ck_assert_uint_eq(fits, n);
	}
	f = shared_open("data/k8s-audit.ndjson");
	if (f) {
		count(f, "kubernetes-audit",
		      "actor:* AND action:* AND resource:* AND event_id:* AND "
		      "outcome:* AND time < 2021-01-01",
		      &fits, &n);
		ck_assert_uint_eq(fits, n - 1); /* one of them is {"kind":0} */
	}
	query_case_fini(&q);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		kubernetes_audit,
		cloudtrail,
		gitlab_audit,
		ocsf,
		windows_events,
		cloudevents_ecs_and_syslog,
		the_first_that_fits_is_the_records,
		what_is_no_event_has_no_schema,
		real_events_have_their_fields,
	};

	return suite_run("schema_builtin", tests, sizeof tests / sizeof *tests, 60);
}
