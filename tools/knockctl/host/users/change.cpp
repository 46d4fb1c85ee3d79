// SPDX-License-Identifier: MIT
#include "tools/knockctl/host/users/change.h"

#include "protocol/base/directory.h"
#include "protocol/base/entries.h"
#include "protocol/base/quote.h"
#include "protocol/base/secure_file.h"

#include <nlohmann/json.hpp>

#include <fcntl.h>
#include <stdio.h> // renameat2
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <set>
#include <thread>
#include <utility>

namespace xk::tools {
namespace {

using nlohmann::json;

// Of the lists in DIR/.change.
FileRules list_rules() {
    FileRules rules;
    rules.secret = true;
    rules.max_size = std::size_t{1024} * 1024;
    return rules;
}

bool is_there(const std::string& path) {
    struct stat st {};
    return ::lstat(path.c_str(), &st) == 0;
}

std::string parent_of(const std::string& path) { return path.substr(0, path.rfind('/')); }

Result<void> sync_directory(const std::string& path) {
    const Fd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    return fd && ::fsync(fd.get()) == 0 ? Result<void>() : os_error("writing the directory " + in_quotes(path));
}

// Without `replace` a file that has the name already is an error.
Result<void> rename_file(const std::string& from, const std::string& to, bool replace) {
    if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), replace ? 0 : RENAME_NOREPLACE) == 0)
        return {};
    if (errno == EXDEV)
        return Error{in_quotes(parent_of(to)) + " is on another file system than the configuration",
                     "put it beside xknock.yaml itself, without a link or a mount"};
    return os_error("putting " + in_quotes(to) + " in its place");
}

Result<Fd> lock_directory(const std::string& directory, std::chrono::milliseconds patience) {
    Fd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd)
        return os_error("opening " + in_quotes(directory), "the configuration is looked for there; -c names another");
    const auto end = std::chrono::steady_clock::now() + patience;
    while (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return os_error("locking " + in_quotes(directory));
        if (std::chrono::steady_clock::now() >= end)
            return Error{"another knockctl is changing users of " + in_quotes(directory), "try again when it has ended",
                         Exit::busy};
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return fd;
}

} // namespace

Result<Change> Change::begin(const std::string& directory, std::chrono::milliseconds patience) {
    auto lock = lock_directory(directory, patience);
    if (!lock)
        return lock.error();
    Change change(directory, *std::move(lock));
    // Where it cannot be completed, all of it stays for the next attempt.
    auto done = change.recover();
    change.is_over_ = !done;
    if (!done)
        return std::move(done).error().within("completing an earlier change that was killed");
    return change;
}

Change::Change(Change&& other) noexcept
    : directory_(std::move(other.directory_)), lock_(std::move(other.lock_)), count_(other.count_),
      steps_(std::move(other.steps_)), at_end_(std::move(other.at_end_)), written_(std::move(other.written_)),
      outside_(std::move(other.outside_)), has_completed_(other.has_completed_),
      has_work_(std::exchange(other.has_work_, false)), is_committed_(other.is_committed_),
      is_over_(std::exchange(other.is_over_, true)) {}

Change::~Change() {
    if (is_over_ || is_committed_)
        return;
    (void)undo_outside();
    (void)clear_work();
}

// Secrets wait in this directory.
Result<void> Change::make_work() {
    if (has_work_)
        return {};
    if (::mkdir(work().c_str(), 0700) != 0)
        return os_error("making " + in_quotes(work()));
    has_work_ = true;
    return {};
}

Result<void> Change::clear_work() {
    if (!has_work_)
        return {};
    std::error_code code;
    for (const auto& entry : entries_of(work(), code))
        if (::unlink(entry.path().c_str()) != 0)
            return os_error("removing " + in_quotes(entry.path().string()));
    if (code || ::rmdir(work().c_str()) != 0)
        return os_error("removing " + in_quotes(work()));
    has_work_ = false;
    return {};
}

Result<void> Change::recover() {
    struct stat st {};
    if (::lstat(work().c_str(), &st) != 0)
        return errno == ENOENT ? Result<void>() : os_error("opening " + in_quotes(work()));
    if (!S_ISDIR(st.st_mode) || st.st_uid != ::geteuid() || (st.st_mode & 077) != 0)
        return Error{in_quotes(work()) + " is not a directory of yours alone", "look at it, and remove it",
                     Exit::configuration};
    has_work_ = true;
    const std::string list = work() + "/steps";
    if (is_there(list)) {
        if (auto done = complete(list); !done)
            return done;
        has_completed_ = true;
    } else if (auto done = undo_outside(); !done) {
        return done;
    }
    return clear_work();
}

Result<void> Change::complete(const std::string& list) {
    const auto text = read_checked(list, list_rules());
    if (!text)
        return text.error();
    const Error broken{in_quotes(list) + " makes no sense", "look at it, and remove " + as_line(work()),
                       Exit::configuration};
    const json parsed = json::parse(*text, nullptr, false);
    if (!parsed.is_object())
        return broken;
    std::vector<Step> steps;
    try {
        for (const json& one : parsed.at("steps"))
            steps.push_back({static_cast<Kind>(one.at("kind").get<int>()), one.at("from"), one.at("to"), {}});
        at_end_ = parsed.at("at_end").get<std::vector<std::string>>();
    } catch (const json::exception&) {
        return broken;
    }
    for (const Step& step : steps)
        if (auto done = take(step, true); !done)
            return done;
    if (auto done = sync(steps); !done)
        return done;
    for (const std::string& path : std::exchange(at_end_, {}))
        if (auto done = remove_file(path, true); !done)
            return done;
    return {};
}

// The list of outside files has a line "PATH" and a line with the mark for each.
Result<void> Change::undo_outside() {
    const std::string list = work() + "/outside";
    if (!has_work_ || !is_there(list))
        return {};
    const auto text = read_checked(list, list_rules());
    if (!text)
        return text.error();
    const json parsed = json::parse(*text, nullptr, false);
    if (!parsed.is_array())
        return {};
    for (const json& one : parsed) {
        if (!one.is_array() || one.size() != 2 || !one[0].is_string() || !one[1].is_string())
            continue;
        const std::string path = one[0], mark = one[1];
        const Fd fd(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
        if (!fd)
            continue;
        const auto content = read_opened(fd, path, list_rules());
        // Where it was not written, another file of this name is none of ours.
        if (content && content->find(mark) != content->npos)
            (void)remove_file(path, true);
    }
    return {};
}

Result<void> Change::create(const std::string& path, std::string_view content, mode_t mode,
                            std::optional<gid_t> group) {
    if (auto made = make_work(); !made)
        return made;
    const std::string temporary = next_temporary();
    if (auto done = write_file(temporary, content, mode, true, group); !done)
        return std::move(done).error().within("preparing " + in_quotes(path));
    steps_.push_back({Kind::create, temporary, path, {}});
    written_.push_back(path);
    return {};
}

Result<void> Change::replace(const std::string& path, std::string_view before, std::string_view content) {
    struct stat st {};
    if (::lstat(path.c_str(), &st) != 0)
        return os_error("opening " + in_quotes(path));
    if (auto made = make_work(); !made)
        return made;
    const std::string temporary = next_temporary();
    if (auto done = write_file(temporary, content, st.st_mode & 07777, true, st.st_gid, true, st.st_uid); !done)
        return std::move(done).error().within("preparing " + in_quotes(path));
    steps_.push_back({Kind::replace, temporary, path, std::string(before)});
    return {};
}

void Change::move(const std::string& from, const std::string& to) { steps_.push_back({Kind::move, from, to, {}}); }

void Change::remove(const std::string& path) { steps_.push_back({Kind::move, path, next_temporary(), {}}); }

void Change::remove_at_end(const std::string& path) { at_end_.push_back(path); }

Result<void> Change::note_outside(const std::string& path, std::string_view mark) {
    if (auto made = make_work(); !made)
        return made;
    outside_.emplace_back(path, mark);
    json list = json::array();
    for (const auto& [file, text] : outside_)
        list.push_back({file, text});
    return write_file(work() + "/outside", list.dump(-1, ' ', true, json::error_handler_t::replace), 0600, true);
}

Result<void> Change::write_outside(const std::string& path, std::string_view content, std::string_view mark) {
    if (is_there(path))
        return os_error_of(EEXIST, "creating " + in_quotes(path), "--out names another file");
    std::error_code code;
    const std::string whole = std::filesystem::absolute(path, code).string();
    if (auto noted = note_outside(code ? path : whole, mark); !noted)
        return noted;
    auto done = write_file(path, content, 0600, false);
    if (done)
        written_.push_back(path);
    return done;
}

Result<void> Change::write_steps() {
    if (auto made = make_work(); !made)
        return made;
    json steps = json::array();
    for (const Step& step : steps_)
        steps.push_back({{"kind", static_cast<int>(step.kind)}, {"from", step.from}, {"to", step.to}});
    const json list = {{"steps", steps}, {"at_end", at_end_}};
    return write_file(work() + "/steps", list.dump(-1, ' ', true, json::error_handler_t::replace), 0600, true);
}

// `again`: the step may have been taken before a kill.
Result<void> Change::take(const Step& step, bool again) {
    if (again && !is_there(step.from))
        return {};
    return rename_file(step.from, step.to, step.kind == Kind::replace);
}

Result<void> Change::take_steps(std::size_t& taken) {
    for (const Step& step : steps_) {
        if (auto done = take(step, false); !done)
            return done;
        ++taken;
    }
    return {};
}

Result<void> Change::sync(const std::vector<Step>& steps) {
    std::set<std::string> directories;
    for (const Step& step : steps) {
        directories.insert(parent_of(step.to));
        if (step.kind == Kind::move)
            directories.insert(parent_of(step.from));
    }
    directories.erase(work());
    for (const std::string& directory : directories)
        if (auto done = sync_directory(directory); !done)
            return done;
    return {};
}

Result<void> Change::take_steps_back(std::size_t taken) {
    Result<void> first;
    const auto keep = [&](Result<void> done) {
        if (!done && first)
            first = std::move(done);
    };
    for (; taken > 0; --taken)
        switch (const Step& step = steps_[taken - 1]; step.kind) {
        case Kind::create:
            keep(remove_file(step.to, true));
            break;
        case Kind::replace: {
            struct stat st {};
            if (::lstat(step.to.c_str(), &st) != 0)
                keep(os_error("opening " + in_quotes(step.to)));
            else
                keep(write_file(step.to, step.before, st.st_mode & 07777, true, st.st_gid, true, st.st_uid));
            break;
        }
        case Kind::move:
            keep(rename_file(step.to, step.from, false));
            break;
        }
    return first;
}

Result<void> Change::commit() {
    is_committed_ = steps_.empty() && outside_.empty() && at_end_.empty();
    if (is_committed_)
        return {};
    // The rename of one file is all or nothing by itself.
    const bool is_simple = steps_.size() == 1 && outside_.empty() && at_end_.empty();
    if (!is_simple || steps_.front().kind == Kind::move)
        if (auto done = write_steps(); !done)
            return done;
    std::size_t taken = 0;
    auto done = take_steps(taken);
    if (done)
        done = sync(steps_);
    is_committed_ = done.has_value();
    if (done)
        return {};
    // The list goes first: the next Change must not complete what is taken back here.
    (void)remove_file(work() + "/steps", true);
    (void)take_steps_back(taken);
    return done;
}

Result<void> Change::take_back() {
    (void)remove_file(work() + "/steps", true);
    auto done = take_steps_back(steps_.size());
    if (auto undone = undo_outside(); done)
        done = undone;
    is_committed_ = false;
    if (auto cleared = clear_work(); done)
        done = cleared;
    is_over_ = true;
    return done;
}

Result<void> Change::finish() {
    for (const std::string& path : at_end_)
        if (auto done = remove_file(path, true); !done)
            return done;
    is_over_ = true;
    return clear_work();
}

} // namespace xk::tools
