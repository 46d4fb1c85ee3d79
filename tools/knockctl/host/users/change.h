// SPDX-License-Identifier: MIT
//
// Change: one change of several files of a configuration, of which either all counts or nothing. It is prepared in
// DIR/.change, which no program reads, and then the files go to their places by rename(2), one after the other. The
// list of these steps is on the disk before the first of them (DIR/.change/steps), so the next Change completes one
// that was killed, and undoes one that was killed before its list was complete. The caller orders the steps so that
// the daemon could read the files after each of them.
//
// A Change holds a lock on DIR, so that two operators cannot make half of what each of them meant.
#pragma once

#include "protocol/base/fd.h"
#include "protocol/base/result.h"

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace xk::tools {

class Change {
  public:
    // Waits for another Change for at most `patience`. DIR/.change must be root's alone.
    static Result<Change> begin(const std::string& directory,
                                std::chrono::milliseconds patience = std::chrono::seconds(10));
    Change(Change&& other) noexcept;
    Change& operator=(Change&&) = delete;
    // What was not committed is undone.
    ~Change();

    // Whether an earlier change was killed behind its commit(). It is complete now, and the daemon may not know it.
    bool has_completed_another() const { return has_completed_; }

    // These prepare steps, in the order in which they are taken. The files are on the disk afterwards.
    // A new file. The step fails where one has come meanwhile.
    Result<void> create(const std::string& path, std::string_view content, mode_t mode,
                        std::optional<gid_t> group = {});
    // Another content of an existing file. Owner and mode stay. `before` is its content now, for take_back().
    Result<void> replace(const std::string& path, std::string_view before, std::string_view content);
    // An existing file gets another name, which no file has.
    void move(const std::string& from, const std::string& to);
    void remove(const std::string& path);
    // A file that finish() removes: a secret that the daemon needs until it knows the change.
    void remove_at_end(const std::string& path);

    // A file outside of the configuration, a profile. It is there at once, and is removed again where the change is not
    // committed, also after a kill. `mark` is a text in it by which it is known again.
    Result<void> write_outside(const std::string& path, std::string_view content, std::string_view mark);
    // Likewise for a file that was written already.
    Result<void> note_outside(const std::string& path, std::string_view mark);

    // Takes the steps. After an error nothing has changed.
    Result<void> commit();
    // After commit(): takes the steps back, and removes what is outside.
    Result<void> take_back();
    // After commit(): the change stays. Does what is left, which no later failure of the caller can undo.
    Result<void> finish();

    // The files that the change made, outside ones too.
    const std::vector<std::string>& written() const { return written_; }

  private:
    enum class Kind { create, replace, move };
    struct Step {
        Kind kind;
        std::string from, to;
        std::string before; // of replace, for take_back()
    };
    explicit Change(std::string directory, Fd lock) : directory_(std::move(directory)), lock_(std::move(lock)) {}

    std::string work() const { return directory_ + "/.change"; }
    std::string next_temporary() { return work() + "/" + std::to_string(count_++); }
    Result<void> recover();
    Result<void> complete(const std::string& steps_file);
    Result<void> undo_outside();
    Result<void> make_work();
    Result<void> write_steps();
    Result<void> take_steps(std::size_t& taken);
    Result<void> take_steps_back(std::size_t taken);
    Result<void> clear_work();
    static Result<void> take(const Step& step, bool again);
    Result<void> sync(const std::vector<Step>& steps);

    std::string directory_;
    Fd lock_;
    std::size_t count_ = 0;
    std::vector<Step> steps_;
    std::vector<std::string> at_end_, written_;
    std::vector<std::pair<std::string, std::string>> outside_; // path, mark
    bool has_completed_ = false, has_work_ = false, is_committed_ = false, is_over_ = false;
};

} // namespace xk::tools
