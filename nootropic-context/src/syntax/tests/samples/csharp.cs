using System;
using System.Collections.Generic;

namespace Example.Sessions
{
    /// <summary>One session.</summary>
    [Serializable]
    public class Session<T> : Base, ICloser where T : new()
    {
        public const int Limit = 16;
        private readonly List<T> items;

        public Session(List<T> items)
        {
            this.items = items;
        }

        public string Name { get; set; }

        // Closes it.
        public async Task CloseAsync()
        {
            await Pool.ReleaseAsync(this);
            var x = new Reaper();
        }

        public event EventHandler Closed;

        public delegate void Handler(int id);
    }

    public interface ICloser
    {
        void Close();
    }

    public enum State { Open, Closed }

    public record Point(int X, int Y);

    public struct Pair
    {
        public int A;
    }
}
