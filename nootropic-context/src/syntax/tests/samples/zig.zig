//! Keeps sessions.
const std = @import("std");
const Allocator = std.mem.Allocator;

/// How many at most.
pub const limit: usize = 16;

/// One session.
pub const Session = struct {
    id: u32,

    pub fn init(allocator: Allocator) !Session {
        return try open(allocator);
    }

    // Closes it.
    fn close(self: *Session) void {
        self.pool.release();
    }
};

const State = enum { open, closed };

const Value = union(enum) { int: i32 };

pub fn main() !void {
    std.debug.print("x", .{});
}

test "opens" {
    _ = try Session.init(std.testing.allocator);
}
