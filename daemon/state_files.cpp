// SPDX-License-Identifier: MIT
#include "daemon/state_files.h"

#include "protocol/base/quote.h"
#include "protocol/base/secure_file.h"
#include "protocol/encoding.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <thread>

namespace xk {
namespace {

constexpr const char* kBootIdFile = "/proc/sys/kernel/random/boot_id";

// Opens or makes a file of the user's, also while we are root still.
Result<Fd> open_own(const std::string& path, uid_t uid, gid_t gid) {
    Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!fd)
        return os_error("opening " + in_quotes(path));
    if (::geteuid() == 0 && ::fchown(fd.get(), uid, gid) != 0)
        return os_error("giving " + in_quotes(path) + " to user " + std::to_string(uid));
    return fd;
}

Result<void> take_lock(const Fd& fd, const std::string& path) {
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK)
            return Error{"another xknockd runs already (" + in_quotes(path) + " is locked)", {}, Exit::busy};
        return os_error("locking " + in_quotes(path));
    }
    return {};
}

pid_t holder_of(const Fd& state) {
    struct flock whole{};
    whole.l_type = F_WRLCK;
    whole.l_whence = SEEK_SET;
    return ::fcntl(state.get(), F_GETLK, &whole) == 0 && whole.l_type != F_UNLCK ? whole.l_pid : 0;
}

// A worker ends when its xknockd does, unless it was stopped (SIGSTOP) or hangs; two must never read one ring.
Result<void> end_leftover_worker(const Fd& state) {
    const auto deadline = BootClock::now() + std::chrono::seconds(3);
    for (pid_t pid; (pid = holder_of(state)) != 0;) {
        ::kill(pid, SIGKILL);
        if (BootClock::now() > deadline)
            return Error{"a worker of an earlier xknockd (pid " + std::to_string(pid) + ") does not end",
                         "kill -9 " + std::to_string(pid), Exit::busy};
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return {};
}

// All of its room at once: a page that the file system has none for later would end whoever touches it (SIGBUS).
Result<void> make_room(const Fd& state, const std::string& path, std::size_t size) {
    int failure = ::ftruncate(state.get(), static_cast<off_t>(size)) == 0 ? 0 : errno;
    if (failure == 0)
        failure = ::posix_fallocate(state.get(), 0, static_cast<off_t>(size));
    if (failure == 0)
        return {};
    return os_error_of(failure, "making room for " + in_quotes(path),
                       std::to_string((size + 1023) / 1024) + " KiB are wanted there");
}

bool is_of_this_boot(const Fd& state, const Bytes<16>& boot_id) {
    gate::StateHeader header{};
    return ::pread(state.get(), &header, sizeof header, 0) == sizeof header && header.magic == gate::kStateMagic &&
           header.boot_id == boot_id;
}

// How many knocks the file has room for.
std::size_t entries_in(const Fd& state) {
    struct stat st{};
    const std::size_t size = ::fstat(state.get(), &st) == 0 ? static_cast<std::size_t>(st.st_size) : 0;
    return size < gate::state_size(0)
               ? 0
               : std::min((size - gate::state_size(0)) / sizeof(gate::ReplayEntry), gate::kMostReplayEntries);
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

Result<void> make_directory(const std::string& path, mode_t mode, uid_t uid, gid_t gid) {
    const bool made = ::mkdir(path.c_str(), mode) == 0;
    if (!made && errno != EEXIST)
        return os_error("making directory " + in_quotes(path));
    struct stat st{};
    if (::lstat(path.c_str(), &st) != 0 || !S_ISDIR(st.st_mode))
        return Error{in_quotes(path) + " is not a directory", {}};
    if (st.st_uid == uid)
        return {};
    // Never the root of a file system, nor what somebody works with.
    struct stat above{};
    std::error_code code;
    if (!made && (::stat((path + "/..").c_str(), &above) != 0 || above.st_dev != st.st_dev ||
                  !std::filesystem::is_empty(path, code) || code))
        return Error{in_quotes(path) + " belongs to somebody else (user " + std::to_string(st.st_uid) + ") and is in use",
                     "a directory of its own is wanted", Exit::configuration};
    if (::lchown(path.c_str(), uid, gid) != 0)
        return os_error("giving " + in_quotes(path) + " to user " + std::to_string(uid));
    return {};
}

void StateFiles::Unmap::operator()(const gate::StateImage* image) const {
    ::munmap(const_cast<gate::StateImage*>(image), gate::state_size(replay_entries));
}

Result<StateFiles> StateFiles::open(const std::string& run, const std::string& state, uid_t uid,
                                    gid_t gid, const Bytes<16>& boot_id, std::size_t replay_entries) {
    StateFiles files;
    auto lock = open_own(run + "/lock", uid, gid);
    if (!lock)
        return lock.error();
    files.lock_ = *std::move(lock);
    if (auto taken = take_lock(files.lock_, run + "/lock"); !taken)
        return taken.error();

    const std::string path = run + "/state";
    auto opened = open_own(path, uid, gid);
    if (!opened)
        return opened.error();
    files.state_ = *std::move(opened);
    if (auto done = end_leftover_worker(files.state_); !done)
        return done.error();
    // Of another boot or layout, or new: the worker begins in memory that is all zero. Else nothing of it is forgotten:
    // entries are added to those that are there, and none is taken away.
    if (is_of_this_boot(files.state_, boot_id))
        replay_entries = std::max(replay_entries, entries_in(files.state_));
    else if (::ftruncate(files.state_.get(), 0) != 0)
        return os_error("clearing " + in_quotes(path));
    const std::size_t size = gate::state_size(replay_entries);
    if (auto done = make_room(files.state_, path, size); !done)
        return done.error();
    void* const memory = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, files.state_.get(), 0);
    if (memory == MAP_FAILED)
        return os_error("mapping " + in_quotes(path));
    files.image_ = {static_cast<const gate::StateImage*>(memory), Unmap{replay_entries}};

    files.copy_path_ = state + "/state";
    files.copy_.reset(::open(files.copy_path_.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!files.copy_ && errno != ENOENT)
        return os_error("opening " + in_quotes(files.copy_path_));
    return files;
}

bool StateFiles::is_held(const std::string& run) {
    const Fd fd(::open((run + "/lock").c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    return fd && ::flock(fd.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

std::span<const gate::ReplayEntry> StateFiles::replay() const {
    return {reinterpret_cast<const gate::ReplayEntry*>(image_.get() + 1), replay_entries()};
}

Result<void> StateFiles::save(const Now& now, bool clean, bool sync) {
    const std::string copy = gate::save_state(*image_, replay(), now, clean);
    return write_file(copy_path_, copy, 0600, true, {}, sync);
}

Result<void> StateFiles::revoke(const Now& now, const std::function<void(const std::string&)>& note) {
    auto saved = save(now, false, true);
    if (saved)
        return {};
    const bool removed = ::unlink(copy_path_.c_str()) == 0 || errno == ENOENT;
    if (!removed) {
        const Fd fd(::open(copy_path_.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
        std::string copy;
        char chunk[64 * 1024];
        ssize_t n = 0;
        while (copy.size() <= gate::state_size(gate::kMostReplayEntries) && (n = ::read(fd.get(), chunk, sizeof chunk)) > 0)
            copy.append(chunk, static_cast<std::size_t>(n));
        if (n != 0 || gate::is_clean_copy({reinterpret_cast<const std::uint8_t*>(copy.data()), copy.size()}))
            return saved;
    }
    note("the copy of judgement's memory cannot be written: " + saved.error().message +
         "; after a reboot knocks of before are refused for a minute, and used codes may count as new");
    return {};
}

} // namespace xk
