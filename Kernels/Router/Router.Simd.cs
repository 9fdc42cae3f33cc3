using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed unsafe partial class SimdKernels<TLanes>
{
    /// <inheritdoc cref="IForwardKernels.Route"/>
    public void Route(Tensor logits, int k, bool renormalize, Tensor probabilities, Tensor experts, Tensor weights, Tensor? bias = null)
    {
        RouteJob job = new(
            logits.Pointer<float>(), probabilities.Pointer<float>(), experts.Pointer<int>(), weights.Pointer<float>(),
            bias is null ? null : bias.Pointer<float>(), logits.Columns, k, renormalize);
        _pool.For(ref job, logits.Rows, Math.Max(1, ElementsPerChunk / (8 * Math.Max(1, logits.Columns))));
    }

    private readonly struct RouteJob(
        float* logits, float* probabilities, int* experts, float* weights, float* bias, int count, int k, bool renormalize) : IParallelJob
    {
        public void Run(int begin, int end, int worker)
        {
            float* scores = stackalloc float[bias == null ? 0 : count];
            for (int t = begin; t < end; t++)
            {
                float* p = probabilities + (long)t * count;
                Softmax(logits + (long)t * count, p);
                if (bias != null)
                    AddBias(p, scores);
                Choose(bias == null ? p : scores, experts + (long)t * k);
                Weigh(p, experts + (long)t * k, weights + (long)t * k);
            }
        }

        private void AddBias(float* p, float* scores)
        {
            for (int e = 0; e < count; e++)
                scores[e] = p[e] + bias[e];
        }

        private void Softmax(float* z, float* p)
        {
            int whole = count / 16 * 16, rest = count - whole;
            TLanes last = rest > 0 ? LaneTail<TLanes>.Load(z + whole, rest, float.NegativeInfinity) : TLanes.Zero;
            TLanes maximum = rest > 0 ? last : TLanes.Broadcast(float.NegativeInfinity);
            for (int i = 0; i < whole; i += 16)
                maximum = TLanes.Max(TLanes.Load(z + i), maximum);
            TLanes shift = TLanes.Broadcast(TLanes.MaxLane(maximum)), sum = TLanes.Zero;
            for (int i = 0; i < whole; i += 16)
            {
                TLanes e = LaneMath<TLanes>.Exp(TLanes.Load(z + i) - shift);
                TLanes.Store(e, p + i);
                sum += e;
            }
            if (rest > 0)
            {
                last = LaneMath<TLanes>.Exp(last - shift);
                sum += last;
            }
            TLanes total = TLanes.Broadcast(TLanes.Sum(sum));
            for (int i = 0; i < whole; i += 16)
                TLanes.Store(TLanes.Load(p + i) / total, p + i);
            if (rest > 0)
                LaneTail<TLanes>.Store(last / total, p + whole, rest);
        }

        // Insertion into the list of the best so far: what comes later goes behind its equals.
        private void Choose(float* scores, int* chosen)
        {
            int filled = 0;
            for (int e = 0; e < count; e++)
            {
                if (filled == k && !(scores[e] > scores[chosen[k - 1]]))
                    continue;
                int at = filled < k ? filled++ : k - 1;
                for (; at > 0 && scores[e] > scores[chosen[at - 1]]; at--)
                    chosen[at] = chosen[at - 1];
                chosen[at] = e;
            }
        }

        private void Weigh(float* p, int* chosen, float* weight)
        {
            float sum = 0;
            for (int slot = 0; slot < k; slot++)
                sum += p[chosen[slot]];
            for (int slot = 0; slot < k; slot++)
                weight[slot] = renormalize ? p[chosen[slot]] / sum : p[chosen[slot]];
        }
    }
}
