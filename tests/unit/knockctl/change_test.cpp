// SPDX-License-Identifier: MIT
// Change: all of it or nothing, whenever it ends; one at a time; what a kill left is completed or undone.
#include "tools/knockctl/host/users/change.h"

#include "tests/unit/recording/directory.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <map>

using namespace xk;
using namespace xk::tools;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

struct Ground {
    test::TemporaryDirectory itself;
    std::string top = itself.path();

    Ground() {
        ::chmod(top.c_str(), 0755);
        fs::create_directory(top + "/users");
        fs::create_directory(top + "/credentials");
        fs::create_directory(top + "/elsewhere");
        write("users/anna.yaml", "name: anna\n");
        write("credentials/anna.key", "key");
        write("credentials/anna.yaml", "user: anna\n");
    }
    void write(const std::string& name, const std::string& text) const { std::ofstream(top + "/" + name) << text; }
    std::string path(const std::string& name) const { return top + "/" + name; }
    // All files with their content.
    std::map<std::string, std::string> files() const {
        std::map<std::string, std::string> all;
        for (const auto& entry : fs::recursive_directory_iterator(top))
            if (entry.is_regular_file())
                all[entry.path().string().substr(top.size() + 1)] =
                    itself.read(entry.path().string().substr(top.size() + 1));
        return all;
    }
    Change begin() const {
        auto change = Change::begin(top, 0ms);
        REQUIRE_MESSAGE(change.has_value(), (change ? "" : change.error().message));
        return *std::move(change);
    }
};

// A rename, a new file, a removal, a secret that goes at the end, and a profile.
Result<void> prepare(const Ground& g, Change& change) {
    if (auto done = change.create(g.path("users/bert.yaml"), "name: bert\n", 0644); !done)
        return done;
    if (auto done = change.replace(g.path("credentials/anna.yaml"), "user: anna\n", "user: bert\n"); !done)
        return done;
    change.move(g.path("credentials/anna.yaml"), g.path("credentials/bert.yaml"));
    change.remove(g.path("users/anna.yaml"));
    change.remove_at_end(g.path("credentials/anna.key"));
    return change.write_outside(g.path("elsewhere/profile"), "profile 4711", "4711");
}

const std::map<std::string, std::string> kBefore = {
    {"credentials/anna.key", "key"}, {"credentials/anna.yaml", "user: anna\n"}, {"users/anna.yaml", "name: anna\n"}};
const std::map<std::string, std::string> kAfter = {{"credentials/bert.yaml", "user: bert\n"},
                                                   {"elsewhere/profile", "profile 4711"},
                                                   {"users/bert.yaml", "name: bert\n"}};

// Runs in a process of its own, which ends at once and clears nothing up.
void killed(const std::function<void()>& work) {
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        work();
        ::_exit(0);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
}

} // namespace

TEST_CASE("a change counts as a whole") {
    const Ground g;
    {
        Change change = g.begin();
        REQUIRE(prepare(g, change));
        CHECK(g.files()["users/anna.yaml"] == "name: anna\n");
        CHECK(!fs::exists(g.path("users/bert.yaml")));
        REQUIRE(change.commit());
        CHECK(fs::exists(g.path("credentials/anna.key"))); // until the caller is done with it
        REQUIRE(change.finish());
    }
    CHECK(g.files() == kAfter);
    CHECK(!fs::exists(g.path(".change")));
}

TEST_CASE("what is not committed, or is taken back, leaves everything as it was") {
    const Ground g;
    {
        Change change = g.begin();
        REQUIRE(prepare(g, change));
        CHECK(fs::exists(g.path("elsewhere/profile")));
    }
    CHECK(g.files() == kBefore);
    {
        Change change = g.begin();
        REQUIRE(prepare(g, change));
        REQUIRE(change.commit());
        REQUIRE(change.take_back());
    }
    CHECK(g.files() == kBefore);
    CHECK(!fs::exists(g.path(".change")));
}

TEST_CASE("a step that fails takes those before it back") {
    const Ground g;
    {
        Change change = g.begin();
        REQUIRE(prepare(g, change));
        // Somebody was quicker.
        g.write("credentials/bert.yaml", "somebody's");
        CHECK_FALSE(change.commit().has_value());
    }
    auto files = g.files();
    CHECK(files["credentials/bert.yaml"] == "somebody's");
    files.erase("credentials/bert.yaml");
    CHECK(files == kBefore);
    CHECK(!fs::exists(g.path(".change")));
    {
        Change change = g.begin();
        CHECK_FALSE(change.write_outside(g.path("users/anna.yaml"), "x", "x").has_value()); // exists
    }
    CHECK(g.files()["users/anna.yaml"] == "name: anna\n");
}

TEST_CASE("after a kill before the commit nothing is left, and after one behind it all is done") {
    const Ground g;
    killed([&] {
        Change change = g.begin();
        (void)prepare(g, change);
        ::_exit(0);
    });
    CHECK(fs::exists(g.path(".change")));
    CHECK_FALSE(g.begin().has_completed_another());
    CHECK(g.files() == kBefore);
    killed([&] {
        Change change = g.begin();
        (void)prepare(g, change);
        (void)change.commit();
        ::_exit(0);
    });
    CHECK(g.begin().has_completed_another());
    CHECK(g.files() == kAfter);
    CHECK(!fs::exists(g.path(".change")));
}

TEST_CASE("a commit that was killed between two steps is completed") {
    // The state after each number of steps is made by hand, as a kill would leave it.
    for (int taken = 0; taken <= 4; ++taken) {
        CAPTURE(taken);
        const Ground g;
        std::string list;
        killed([&] {
            Change change = g.begin();
            (void)prepare(g, change);
            (void)change.commit();
            ::_exit(0);
        });
        // Back to the beginning, but with the list of steps.
        fs::rename(g.path("users/bert.yaml"), g.path(".change/0"));
        fs::rename(g.path("credentials/bert.yaml"), g.path(".change/1"));
        fs::rename(g.path(".change/2"), g.path("users/anna.yaml"));
        g.write("credentials/anna.yaml", "user: anna\n");
        if (taken > 0)
            fs::rename(g.path(".change/0"), g.path("users/bert.yaml"));
        if (taken > 1)
            fs::rename(g.path(".change/1"), g.path("credentials/anna.yaml"));
        if (taken > 2)
            fs::rename(g.path("credentials/anna.yaml"), g.path("credentials/bert.yaml"));
        if (taken > 3)
            fs::rename(g.path("users/anna.yaml"), g.path(".change/2"));
        CHECK(g.begin().has_completed_another());
        CHECK(g.files() == kAfter);
    }
}

TEST_CASE("one file alone needs no list, and keeps its mode") {
    const Ground g;
    ::chmod(g.path("users/anna.yaml").c_str(), 0640);
    {
        Change change = g.begin();
        REQUIRE(change.replace(g.path("users/anna.yaml"), "name: anna\n", "name: anna\nenabled: false\n"));
        REQUIRE(change.commit());
        CHECK(!fs::exists(g.path(".change/steps")));
        REQUIRE(change.finish());
    }
    struct stat st {};
    REQUIRE(::stat(g.path("users/anna.yaml").c_str(), &st) == 0);
    CHECK((st.st_mode & 07777) == 0640);
    CHECK(g.files()["users/anna.yaml"] == "name: anna\nenabled: false\n");
}

TEST_CASE("a profile that a kill left is removed, and a file of somebody else is not") {
    const Ground g;
    killed([&] {
        Change change = g.begin();
        (void)change.note_outside(g.path("elsewhere/profile"), "4711");
        ::_exit(0);
    });
    g.write("elsewhere/profile", "somebody's own");
    (void)g.begin();
    CHECK(g.files()["elsewhere/profile"] == "somebody's own");
}

TEST_CASE("there is one change at a time, and a second one waits") {
    const Ground g;
    {
        const Change first = g.begin();
        const auto second = Change::begin(g.top, 30ms);
        REQUIRE_FALSE(second.has_value());
        CHECK(second.error().exit == Exit::busy);
        CHECK(second.error().message == "another knockctl is changing users of \"" + g.top + "\"");
    }
    CHECK(Change::begin(g.top, 0ms).has_value());
}

TEST_CASE("what is not a change of ours is not taken for one") {
    const Ground g;
    fs::create_directory(g.path(".change"));
    ::chmod(g.path(".change").c_str(), 0755); // others could read what waits there
    const auto change = Change::begin(g.top, 0ms);
    REQUIRE_FALSE(change.has_value());
    CHECK(change.error().exit == Exit::configuration);
    CHECK(fs::exists(g.path(".change")));
    ::chmod(g.path(".change").c_str(), 0700);
    for (const char* bad : {"", "[]", "{}", "{\"steps\": [{\"kind\": \"x\"}], \"at_end\": []}", "{\"steps\": 1}"}) {
        g.write(".change/steps", bad);
        ::chmod(g.path(".change/steps").c_str(), 0600);
        const auto broken = Change::begin(g.top, 0ms);
        REQUIRE_FALSE(broken.has_value());
        CHECK(broken.error().message.find("makes no sense") != std::string::npos);
    }
    fs::remove_all(g.path(".change"));
    fs::create_symlink(g.path("elsewhere"), g.path(".change"));
    CHECK_FALSE(Change::begin(g.top, 0ms).has_value());
    CHECK_FALSE(Change::begin(g.path("nowhere"), 0ms).has_value());
}
