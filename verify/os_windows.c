/*
 * Windows 10 and later. Names go to the wide calls, whatever the code page is, and a long one in
 * the form that has no limit of 260 characters.
 */
#include <errno.h>
#include <fcntl.h>
#include <io.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include <windows.h>

#include <shellapi.h>

#include "proto/err.h"
#include "verify/os.h"

enum {
	READ_MOST = 1 << 30,    /* ReadFile counts in 32 bits */
	NAME_SHORT = 240,       /* of a path: the rest of 260 is for what Windows adds */
	OUTPUT_BYTES = 1 << 16, /* so that no character is written in two parts */
};

/* --- errors -------------------------------------------------------------------------------- */

/* GetLastError as an errno. */
static int
last_errno(void)
{
	switch (GetLastError()) {
	case ERROR_FILE_NOT_FOUND:
	case ERROR_PATH_NOT_FOUND:
	case ERROR_INVALID_NAME:
	case ERROR_BAD_PATHNAME:
	case ERROR_INVALID_DRIVE:
	case ERROR_BAD_NETPATH:
	case ERROR_BAD_NET_NAME:
		return ENOENT;
	case ERROR_ACCESS_DENIED:
	case ERROR_SHARING_VIOLATION:
	case ERROR_LOCK_VIOLATION:
		return EACCES;
	case ERROR_NOT_ENOUGH_MEMORY:
	case ERROR_OUTOFMEMORY:
	case ERROR_COMMITMENT_LIMIT:
		return ENOMEM;
	case ERROR_TOO_MANY_OPEN_FILES:
		return EMFILE;
	case ERROR_FILENAME_EXCED_RANGE:
		return ENAMETOOLONG;
	default:
		return EIO;
	}
}

static HANDLE
handle_of(const struct os_file *f)
{
	return (HANDLE)f->handle;
}

/* --- arguments and streams ----------------------------------------------------------------- */

static char *
utf8_of(const wchar_t *wide)
{
	int n = WideCharToMultiByte(CP_UTF8, 0, wide, -1, NULL, 0, NULL, NULL);
	char *text = n > 0 ? malloc((size_t)n) : NULL;

	if (text)
		WideCharToMultiByte(CP_UTF8, 0, wide, -1, text, n, NULL, NULL);
	return text;
}

/* The console's code page as it was; 0: it was left alone. */
static UINT code_page_before;

static void
restore_code_page(void)
{
	if (code_page_before)
		SetConsoleOutputCP(code_page_before);
}

/* Ctrl-C, a closed window: ends the program as always, on a console that is as it was. */
static BOOL WINAPI
interrupted(DWORD event)
{
	(void)event;
	restore_code_page();
	return FALSE;
}

static bool
is_console(DWORD stream)
{
	DWORD mode;

	return GetConsoleMode(GetStdHandle(stream), &mode) != 0;
}

static void
begin_streams(void)
{
	_setmode(_fileno(stdin), _O_BINARY);
	_setmode(_fileno(stdout), _O_BINARY);
	_setmode(_fileno(stderr), _O_BINARY);
	setvbuf(stdout, NULL, _IOFBF, OUTPUT_BYTES);
	setvbuf(stderr, NULL, _IOFBF, OUTPUT_BYTES);
	if (!is_console(STD_OUTPUT_HANDLE) && !is_console(STD_ERROR_HANDLE))
		return;
	code_page_before = GetConsoleOutputCP();
	if (code_page_before == CP_UTF8 || !SetConsoleOutputCP(CP_UTF8)) {
		code_page_before = 0;
		return;
	}
	atexit(restore_code_page);
	SetConsoleCtrlHandler(interrupted, TRUE);
}

int
os_begin(int *argc, char ***argv)
{
	int n;
	wchar_t **wide = CommandLineToArgvW(GetCommandLineW(), &n);
	char **args = wide ? calloc((size_t)n + 1, sizeof *args) : NULL;
	bool whole = args != NULL;

	for (int i = 0; whole && i < n; i++)
		whole = (args[i] = utf8_of(wide[i])) != NULL;
	LocalFree(wide);
	if (!whole)
		return STELE_ENOMEM; /* the program ends */
	*argc = n;
	*argv = args;
	begin_streams();
	return 0;
}

/* --- files --------------------------------------------------------------------------------- */

/* The absolute form of a long name, "\\?\C:\…" or "\\?\UNC\SERVER\…". NULL with errno set. */
static wchar_t *
long_form(const wchar_t *name)
{
	static const wchar_t local[] = L"\\\\?\\", remote[] = L"\\\\?\\UNC";
	DWORD n = GetFullPathNameW(name, 0, NULL, NULL);
	wchar_t *full = malloc((n + sizeof remote / sizeof *remote) * sizeof *full);
	wchar_t *at = full;

	if (!full || n == 0) {
		errno = full ? last_errno() : ENOMEM;
		free(full);
		return NULL;
	}
	GetFullPathNameW(name, n, full, NULL);
	if (wcsncmp(full, L"\\\\?\\", 4) == 0 || wcsncmp(full, L"\\\\.\\", 4) == 0)
		return full;
	if (full[0] == L'\\' && full[1] == L'\\') {
		/* one of its two backslashes stays behind UNC */
		memmove(full + wcslen(remote), full + 1, n * sizeof *full - sizeof *full);
		memcpy(full, remote, sizeof remote - sizeof *remote);
		return full;
	}
	at = full + wcslen(local);
	memmove(at, full, n * sizeof *full);
	memcpy(full, local, sizeof local - sizeof *local);
	return full;
}

/* NULL with errno set. */
static wchar_t *
wide_of(const char *path)
{
	int n = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, NULL, 0);
	wchar_t *wide = n > 0 ? malloc((size_t)n * sizeof *wide) : NULL, *full;

	if (!wide) {
		errno = n > 0 ? ENOMEM : ENOENT;
		return NULL;
	}
	MultiByteToWideChar(CP_UTF8, 0, path, -1, wide, n);
	if (n <= NAME_SHORT)
		return wide;
	full = long_form(wide);
	free(wide);
	return full;
}

/* What kind of thing it is; STELE_EIO with errno set. */
static int
describe(struct os_file *f)
{
	BY_HANDLE_FILE_INFORMATION info;

	if (GetFileType(handle_of(f)) != FILE_TYPE_DISK) {
		f->kind = OS_STREAM;
		return 0;
	}
	if (!GetFileInformationByHandle(handle_of(f), &info)) {
		errno = last_errno();
		return STELE_EIO;
	}
	if (info.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) {
		f->kind = OS_FOLDER;
		return 0;
	}
	f->kind = OS_FILE;
	f->bytes = (uint64_t)info.nFileSizeHigh << 32 | info.nFileSizeLow;
	return 0;
}

int
os_open(struct os_file *f, const char *path)
{
	wchar_t *wide = wide_of(path);
	struct os_file got = {.kind = OS_STREAM};
	HANDLE h;
	int was;

	if (!wide)
		return stele_err_from_errno(errno);
	/* Others may do with it what they like, as elsewhere; and a folder is to be told from a
	 * file that nobody may read. */
	h = CreateFileW(wide, GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
			NULL, OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS, NULL);
	was = h == INVALID_HANDLE_VALUE ? last_errno() : 0;
	free(wide);
	if (was) {
		errno = was;
		return stele_err_from_errno(was);
	}
	got.handle = (intptr_t)h;
	if (describe(&got) != 0) {
		was = errno;
		CloseHandle(h);
		errno = was;
		return STELE_EIO;
	}
	*f = got;
	return 0;
}

int
os_open_file(struct os_file *f, const char *path)
{
	struct os_file got;
	int err = os_open(&got, path);

	if (err)
		return err;
	if (got.kind != OS_FILE) {
		os_close(&got);
		errno = got.kind == OS_FOLDER ? EISDIR : ESPIPE;
		return STELE_EIO;
	}
	*f = got;
	return 0;
}

void
os_open_stdin(struct os_file *f)
{
	*f = (struct os_file){.handle = (intptr_t)GetStdHandle(STD_INPUT_HANDLE),
			      .kind = OS_STREAM};
}

void
os_close(struct os_file *f)
{
	if (handle_of(f) != GetStdHandle(STD_INPUT_HANDLE))
		CloseHandle(handle_of(f));
}

/* With a place it goes there, also when other threads read the same file. */
static ptrdiff_t
read_with(const struct os_file *f, void *dst, size_t n, OVERLAPPED *place)
{
	DWORD got = 0, ask = n < READ_MOST ? (DWORD)n : READ_MOST;

	if (ReadFile(handle_of(f), dst, ask, &got, place))
		return got;
	if (GetLastError() == ERROR_HANDLE_EOF || GetLastError() == ERROR_BROKEN_PIPE)
		return 0;
	errno = f->kind == OS_FOLDER ? EISDIR : last_errno();
	return -1;
}

ptrdiff_t
os_read(const struct os_file *f, void *dst, size_t n)
{
	return read_with(f, dst, n, NULL);
}

ptrdiff_t
os_read_at(const struct os_file *f, uint64_t at, void *dst, size_t n)
{
	OVERLAPPED place = {.Offset = (DWORD)at, .OffsetHigh = (DWORD)(at >> 32)};

	return read_with(f, dst, n, &place);
}

const uint8_t *
os_map(const struct os_file *f)
{
	HANDLE section = CreateFileMappingW(handle_of(f), NULL, PAGE_READONLY, 0, 0, NULL);
	const uint8_t *map =
		section ? MapViewOfFile(section, FILE_MAP_READ, 0, 0, (size_t)f->bytes) : NULL;

	if (!map)
		errno = last_errno();
	if (section)
		CloseHandle(section); /* the view keeps it */
	return map;
}

void
os_unmap(const uint8_t *map, size_t n)
{
	(void)n;
	UnmapViewOfFile(map);
}

/* --- the machine --------------------------------------------------------------------------- */

unsigned
os_processors(void)
{
	SYSTEM_INFO info;

	GetSystemInfo(&info);
	return info.dwNumberOfProcessors ? info.dwNumberOfProcessors : 1;
}

bool
os_terminal(void)
{
	HANDLE h = GetStdHandle(STD_ERROR_HANDLE);
	DWORD mode;

	return GetConsoleMode(h, &mode) &&
	       SetConsoleMode(h, mode | ENABLE_VIRTUAL_TERMINAL_PROCESSING);
}
