// SPDX-License-Identifier: MIT
#include "daemon/lifecycle/state_files.h"

#include "daemon/authz/state_read.h"
#include "protocol/base/directory.h"
#include "protocol/base/quote.h"
#include "protocol/base/secure_file.h"
#include "protocol/encoding.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <optional>
#include <sstream>
#include <thread>
#include <utility>

namespace xk {
namespace {

constexpr const char* kWorkerName = "xknock-worker"; // the name in the kernel, of at most 15 characters
constexpr const char* kBootIdFile = "/proc/sys/kernel/random/boot_id";

// Opens or makes a file of the user. We may still be root here, and the directory belongs to the user: a name in it may
// be a link, or a second name of another user's file. So a file is given to the user only if it is empty and our own.
Result<Fd> open_own(const std::string& path, uid_t uid, gid_t gid) {
    auto entry = open_entry(path);
    if (!entry)
        return entry.error();
    constexpr int kHow = O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
    Fd fd(::openat(entry->directory.get(), entry->name.c_str(), kHow | O_CREAT | O_EXCL, 0600));
    if (!fd && errno == EEXIST)
        fd.reset(::openat(entry->directory.get(), entry->name.c_str(), kHow));
    struct stat st {};
    if (!fd || ::fstat(fd.get(), &st) != 0)
        return os_error("opening " + in_quotes(path));
    const bool ours = st.st_uid == uid || (st.st_uid == ::geteuid() && st.st_size == 0);
    if (!S_ISREG(st.st_mode) || st.st_nlink != 1 || !ours)
        return Error{in_quotes(path) + " is not a file of user " + std::to_string(uid) + "'s alone", "remove it"};
    if (st.st_uid != uid && ::fchown(fd.get(), uid, gid) != 0)
        return os_error("giving " + in_quotes(path) + " to user " + std::to_string(uid));
    return fd;
}

// Opens a file for reading, or returns -1 and sets errno. It refuses other kinds of files, because a pipe would block
// us.
Fd open_regular(const std::string& path) {
    Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY));
    struct stat st {};
    if (fd && (::fstat(fd.get(), &st) != 0 || !S_ISREG(st.st_mode))) {
        fd.reset();
        errno = EINVAL;
    }
    return fd;
}

// is_held() of another process has the lock for a moment, and that is no daemon. So this looks several times.
Result<void> take_lock(const Fd& fd, const std::string& path) {
    for (int looks = 10; ::flock(fd.get(), LOCK_EX | LOCK_NB) != 0; --looks) {
        if (errno != EWOULDBLOCK)
            return os_error("locking " + in_quotes(path));
        if (looks == 0)
            return Error{"another xknockd runs already (" + in_quotes(path) + " is locked)", {}, Exit::busy};
        ::poll(nullptr, 0, 10);
    }
    // "xknockd --remove" takes the file away at its end. A lock on a file without a name would exclude nobody.
    struct stat info {};
    if (::fstat(fd.get(), &info) != 0 || info.st_nlink == 0)
        return Error{in_quotes(path) + " was removed meanwhile", "start xknockd again", Exit::busy};
    return {};
}

// Returns the pid of the process that has the worker's lock. fcntl(2) gives -1 for a lock of an open file description,
// and 0 for a process of another PID namespace.
std::optional<pid_t> holder_of(const Fd& state) {
    struct flock whole {};
    whole.l_type = F_WRLCK;
    whole.l_whence = SEEK_SET;
    if (::fcntl(state.get(), F_GETLK, &whole) != 0 || whole.l_type == F_UNLCK)
        return std::nullopt;
    return whole.l_pid;
}

// Identifies the worker by its name and by all of its user ids. Its executable would be a better proof, but reading
// that needs the right to trace the process.
bool is_worker(pid_t pid, uid_t uid) {
    std::ifstream status("/proc/" + std::to_string(pid) + "/status");
    bool named = false, of_user = false;
    for (std::string line; std::getline(status, line);) {
        named = named || line == std::string("Name:\t") + kWorkerName;
        std::istringstream words(line);
        std::string key;
        uid_t ids[4] = {};
        if (words >> key && key == "Uid:" && words >> ids[0] >> ids[1] >> ids[2] >> ids[3])
            of_user = std::ranges::count(ids, uid) == 4;
    }
    return named && of_user;
}

// A pid can pass to another process, and a pidfd cannot. If the pid still has the lock after the pidfd was opened, both
// name the same process.
void end_if_worker(const Fd& state, pid_t pid, uid_t uid) {
    const Fd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    if (process && holder_of(state) == pid && is_worker(pid, uid))
        (void)::syscall(SYS_pidfd_send_signal, process.get(), SIGKILL, nullptr, 0);
}

Error still_locked(const std::string& path, pid_t pid, uid_t uid) {
    const std::string who = "process " + std::to_string(pid);
    if (pid <= 0)
        return Error{"a process that cannot be identified holds a lock on " + in_quotes(path),
                     "lslocks and fuser show who has opened it, also in containers; end that", Exit::busy};
    if (!is_worker(pid, uid))
        return Error{who + " holds a lock on " + in_quotes(path) + " and is no worker of xknockd",
                     "ps " + std::to_string(pid) + " shows it; end it", Exit::busy};
    return Error{"a worker of an earlier xknockd (" + who + ") does not end", "kill -9 " + std::to_string(pid),
                 Exit::busy};
}

// A worker ends when its xknockd ends, unless it was stopped (SIGSTOP) or hangs. Two workers must never read one ring.
// A process that is no worker is not killed, even if it has the lock.
Result<void> end_leftover_worker(const Fd& state, const std::string& path, uid_t uid) {
    const auto deadline = BootClock::now() + std::chrono::seconds(3);
    while (const auto pid = holder_of(state)) {
        if (*pid > 0)
            end_if_worker(state, *pid, uid);
        if (BootClock::now() > deadline)
            return still_locked(path, *pid, uid);
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return {};
}

// Allocates the whole file: if the file system has no room for a page later, a process that touches the page gets
// SIGBUS.
Result<void> make_room(const Fd& state, const std::string& path, std::size_t size) {
    int failure = ::ftruncate(state.get(), static_cast<off_t>(size)) == 0 ? 0 : errno;
    if (failure == 0)
        failure = ::posix_fallocate(state.get(), 0, static_cast<off_t>(size));
    if (failure == 0)
        return {};
    return os_error_of(failure, "making room for " + in_quotes(path),
                       std::to_string((size + 1023) / 1024) + " KiB are wanted there");
}

// Classifies the file by its directory. Only the worker reads its sections.
authz::MemoryFit look_at(const Fd& state, const Bytes<16>& boot_id) {
    Bytes<sizeof(authz::StateDirectory)> first{};
    struct stat st {};
    const ssize_t n = ::pread(state.get(), first.data(), first.size(), 0);
    if (n < 0 || ::fstat(state.get(), &st) != 0)
        return {authz::StateFit::damaged, false, 0};
    return authz::look_at_memory(ByteView(first).first(static_cast<std::size_t>(n)),
                                 static_cast<std::uint64_t>(st.st_size), boot_id);
}

Error cannot_read(const std::string& path, authz::StateFit fit, const std::string& lost) {
    const std::string hint = fit == authz::StateFit::damaged ? "" : "start the release that wrote it; or ";
    return Error{in_quotes(path) + " " + std::string(authz::complaint_of(fit)),
                 hint + "\"rm " + path + "\" begins anew, and forgets " + lost, Exit::configuration};
}

constexpr const char* kLostMemory =
    "what happened since the last copy of it: used codes, lock-outs and wrong codes of the last minutes may count as "
    "new, and knocks made before the start are refused";
constexpr const char* kLostCopy =
    "which devices are locked and which codes were used; knocks made before the start are refused";

// Returns the name of the new file beside a file of another layout.
std::string next_to(const std::string& path) { return path + ".next"; }

// Removes the file that an interrupted start has left, and ends a worker that still has it open.
Result<void> remove_next(const std::string& path, uid_t uid, gid_t gid, uid_t worker) {
    if (::access(path.c_str(), F_OK) != 0 && errno == ENOENT)
        return {};
    const auto old = open_own(path, uid, gid);
    if (!old)
        return old.error();
    if (auto done = end_leftover_worker(*old, path, worker); !done)
        return done;
    return remove_file(path, false);
}

} // namespace

Result<Bytes<16>> read_boot_id() {
    const Fd fd(::open(kBootIdFile, O_RDONLY | O_CLOEXEC));
    char text[64] = {};
    const ssize_t n = fd ? ::read(fd.get(), text, sizeof text - 1) : -1;
    if (n < 0)
        return os_error(kBootIdFile, "/proc must show it: no ProcSubset=pid in the unit");
    std::string digits(text, static_cast<std::size_t>(n));
    std::erase_if(digits, [](char c) { return c == '-' || c == '\n'; });
    const auto id = from_hex<16>(digits);
    if (!id)
        return Error{std::string(kBootIdFile) + " does not hold a UUID", {}};
    return *id;
}

void StateFiles::Unmap::operator()(const authz::StateImage* image) const {
    ::munmap(const_cast<authz::StateImage*>(image), authz::state_size(replay_entries));
}

Result<StateFiles> StateFiles::open(const std::string& run, const std::string& state, uid_t uid, gid_t gid,
                                    uid_t worker, const Bytes<16>& boot_id, std::size_t replay_entries) {
    StateFiles files;
    auto lock = open_own(run + "/lock", uid, gid);
    if (!lock)
        return lock.error();
    files.lock_ = *std::move(lock);
    if (auto taken = take_lock(files.lock_, run + "/lock"); !taken)
        return taken.error();

    files.path_ = run + "/state";
    const std::string& path = files.path_;
    auto opened = open_own(path, uid, gid);
    if (!opened)
        return opened.error();
    files.state_ = *std::move(opened);
    if (auto done = end_leftover_worker(files.state_, path, worker); !done)
        return done.error();
    // A file of this boot keeps its entries. If the file is of another boot, or if there is none, the worker begins
    // with zeros.
    const authz::MemoryFit found = look_at(files.state_, boot_id);
    if (!authz::complaint_of(found.fit).empty())
        return cannot_read(path, found.fit, kLostMemory);
    if (auto done = remove_next(next_to(path), uid, gid, worker); !done)
        return done.error();
    if (found.fit != authz::StateFit::whole) {
        if (::ftruncate(files.state_.get(), 0) != 0)
            return os_error("clearing " + in_quotes(path));
    } else if (!found.as_ours || found.replay_entries < replay_entries) {
        auto next = open_own(next_to(path), uid, gid);
        if (!next)
            return next.error();
        files.previous_ = std::exchange(files.state_, *std::move(next));
    }
    replay_entries = std::max<std::size_t>(replay_entries, found.replay_entries);
    const std::size_t size = authz::state_size(replay_entries);
    if (auto done = make_room(files.state_, path, size); !done)
        return done.error();
    void* const memory = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, files.state_.get(), 0);
    if (memory == MAP_FAILED)
        return os_error("mapping " + in_quotes(path));
    files.image_ = {static_cast<const authz::StateImage*>(memory), Unmap{replay_entries}};

    files.copy_path_ = state + "/state";
    files.copy_ = open_regular(files.copy_path_);
    if (!files.copy_ && errno != ENOENT)
        return os_error("opening " + in_quotes(files.copy_path_));
    return files;
}

Result<Fd> StateFiles::hold(const std::string& run) {
    Fd fd = open_regular(run + "/lock");
    if (fd)
        if (auto taken = take_lock(fd, run + "/lock"); !taken)
            return taken.error();
    return fd;
}

bool StateFiles::is_held(const std::string& run) {
    const auto lock = hold(run);
    return !lock && lock.error().exit == Exit::busy;
}

Result<void> StateFiles::settle() {
    auto entry = open_entry(path_);
    if (!entry)
        return entry.error();
    const int directory = entry->directory.get();
    if (::renameat(directory, next_to(entry->name).c_str(), directory, entry->name.c_str()) != 0)
        return os_error("renaming " + in_quotes(next_to(path_)));
    previous_.reset();
    return {};
}

Error StateFiles::unreadable(authz::StateFit fit) const {
    if (authz::complaint_of(fit).empty())
        fit = authz::StateFit::damaged;
    return previous_ ? cannot_read(path_, fit, kLostMemory) : cannot_read(copy_path_, fit, kLostCopy);
}

std::span<const authz::ReplayEntry> StateFiles::replay() const {
    return {reinterpret_cast<const authz::ReplayEntry*>(image_.get() + 1), replay_entries()};
}

Result<void> StateFiles::save(const Now& now, bool clean) {
    const std::string copy = authz::save_state(*image_, replay(), now, clean);
    return write_file(copy_path_, copy, 0600, true);
}

Result<void> StateFiles::revoke(const Now& now, const std::function<void(const std::string&)>& note) {
    auto saved = save(now, false);
    if (saved)
        return {};
    if (!remove_file(copy_path_, false)) {
        const Fd fd = open_regular(copy_path_);
        std::string copy;
        char chunk[64 * 1024];
        ssize_t n = 0;
        while (copy.size() <= authz::state_size(authz::kMostReplayEntries) &&
               (n = ::read(fd.get(), chunk, sizeof chunk)) > 0)
            copy.append(chunk, static_cast<std::size_t>(n));
        if (n != 0 || authz::is_clean_copy({reinterpret_cast<const std::uint8_t*>(copy.data()), copy.size()}))
            return saved;
    }
    note("the copy of judgement's memory cannot be written: " + saved.error().message +
         "; after a reboot knocks of before are refused for a minute, and used codes may count as new");
    return {};
}

} // namespace xk
